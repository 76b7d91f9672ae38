// The checksum of zip files: CRC-32 of ISO 3309, eight bytes a step (Kounavis & Berry 2005, "slicing by 8").
#pragma once
#include <cstddef>
#include <cstdint>

namespace tongueforge::checkpoint {

/// The sum of the bytes so far (0 at the beginning) and of these after them.
uint32_t crc32(uint32_t so_far, const void* data, size_t count);

}  // namespace tongueforge::checkpoint
