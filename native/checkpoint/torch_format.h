// Which kind of file this is, and where in a zip file of torch the pickle stands.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/posix_file.h"
#include "checkpoint/zip_file.h"

namespace tongueforge::checkpoint {

/// @throws ERR_PICKLE that names the format received: before torch 1.6, tar, safetensors, others
void check_is_torch_zip(const PosixFile& file, uint64_t size);

struct TorchLayout {
  std::string folder;  // that all entries stand in: "archive/"
  size_t pickle = 0;   // place of data.pkl among the entries
};

/// @throws ERR_PICKLE for other archives, TorchScript and big-endian data
TorchLayout find_layout(const PosixFile& file, const std::vector<ZipEntry>& entries);

}  // namespace tongueforge::checkpoint
