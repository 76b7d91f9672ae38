// Leaving out most of a difference before it is added. TIES keeps the largest entries (Yadav et al. 2023,
// arXiv 2306.01708), DARE keeps entries by chance and scales them up (Yu et al. 2023, arXiv 2311.03099).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace tongueforge::merge {

struct Sparsify {
  enum class Kind : uint8_t { none, ties, dare };
  Kind kind = Kind::none;
  double density = 1;  // the share that is kept, above 0 and at most 1
  uint64_t seed = 0;   // dare
};

/// The entries of largest magnitude of one tensor, exactly round(density * n) of them: the smallest magnitude
/// that is kept, and how far to go where several are as large.
class MagnitudeCut {
 public:
  /// Calls visit(values, first, count) for stretches of the tensor, in order.
  using Visit = std::function<void(const float* values, uint64_t first, size_t count)>;
  using Scan = std::function<void(const Visit&)>;

  /// Keeps everything.
  MagnitudeCut() = default;
  /// Scans the tensor twice, a third time where magnitudes at the cut are equal.
  MagnitudeCut(uint64_t num_elements, double density, const Scan& scan);

  /// Entries [first, first + count) that are below the cut become zero.
  void apply(float* values, uint64_t first, size_t count) const;

 private:
  uint32_t bits_ = 0;          // of the magnitude at the cut
  uint64_t end_ = UINT64_MAX;  // entries of that magnitude are kept where they stand before this one
};

/// Keeps each entry with probability `density`, divided by it; the others become zero. Which ones depends on
/// seed, tensor, vector and place alone.
void drop_by_chance(const Sparsify& sparsify, std::string_view tensor, uint64_t vector, float* values,
                    uint64_t first, size_t count);

}  // namespace tongueforge::merge
