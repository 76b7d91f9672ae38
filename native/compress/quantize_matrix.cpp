#include "compress/quantize_matrix.h"

#include "compress/column_solver.h"
#include "core/error.h"

namespace tongueforge::compress {
namespace {

constexpr int64_t kBlock = 128;  // columns of the solver, about
constexpr int64_t kRowsPerThread = 16;

/// Codes, scales and zeros yet to be written, and pointers to a row of each.
struct Target {
  at::Tensor codes_RC, scales_RG, zeros_RG;
  int64_t columns, groups;

  Target(const at::Tensor& weight_RC, const QuantizeSettings& settings)
      : columns(weight_RC.size(1)), groups(settings.group > 0 ? columns / settings.group : 1) {
    const int64_t rows = weight_RC.size(0);
    codes_RC = at::empty({rows, columns}, at::kChar);
    scales_RG = at::empty({rows, groups}, at::kFloat);
    zeros_RG = at::empty({rows, groups}, at::kChar);
  }

  int8_t* codes(int64_t row) const { return codes_RC.mutable_data_ptr<int8_t>() + row * columns; }
  void put(int64_t row, int64_t group, const Grid& grid) const {
    scales_RG.mutable_data_ptr<float>()[row * groups + group] = grid.scale;
    zeros_RG.mutable_data_ptr<int8_t>()[row * groups + group] = static_cast<int8_t>(grid.zero);
  }
  Grid grid(int64_t row, int64_t group) const {
    return {scales_RG.const_data_ptr<float>()[row * groups + group],
            zeros_RG.const_data_ptr<int8_t>()[row * groups + group]};
  }

  nn::Quantized finish(const GridKind& kind) const {
    return {nn::Codes::of_bytes(codes_RC, kind.bits), kind.bfloat16 ? scales_RG.to(at::kBFloat16) : scales_RG,
            kind.symmetric ? at::Tensor() : zeros_RG};
  }
};

/// Rounds the weights of a row one after another, and notes their codes.
struct RoundedRow {
  const GridKind& kind;
  const Target& target;
  const uint8_t* maybe_fixed;  // of this row's block: not 0 where a weight is to be 0
  int64_t row, begin, group;   // group 0: the grid is there
  Grid grid{};

  float operator()(int64_t j, const float* w) {
    const int64_t column = begin + j;
    if (group > 0 && column % group == 0) {
      grid = kind.over(w + j, group, maybe_fixed ? maybe_fixed + j : nullptr);
      target.put(row, column / group, grid);
    }
    const int code = maybe_fixed && maybe_fixed[j] ? grid.zero : kind.code(w[j], grid);
    target.codes(row)[column] = static_cast<int8_t>(code);
    return kind.value(code, grid);
  }
};

// The solver's blocks hold whole groups.
int64_t block_for(int64_t group) { return group == 0 ? kBlock : std::max(group, kBlock / group * group); }

void lay_over_rows(const Target& target, const at::Tensor& weight_RC, const GridKind& kind) {
  const float* const weights = weight_RC.const_data_ptr<float>();
  for (int64_t row = 0; row < weight_RC.size(0); row++)
    target.put(row, 0, kind.over(weights + row * target.columns, target.columns));
}

}  // namespace

void check_group(const std::string& name, int64_t columns, int64_t group) {
  if (group == 0 || columns % group == 0) return;
  throw Error("ERR_CONFIG",
              str("group: expected the inputs of ", name, " to be groups of ", group, ", received ", columns,
                  " inputs"),
              "Take a group that divides its inputs, or exclude this layer.");
}

nn::Quantized round_to_nearest(const at::Tensor& weight_RC, const QuantizeSettings& settings) {
  check_group("the matrix", weight_RC.size(1), settings.group);
  const Target target(weight_RC, settings);
  const auto& kind = settings.kind;
  const float* const weights = weight_RC.const_data_ptr<float>();
  const int64_t size = target.columns / target.groups;
  at::parallel_for(0, weight_RC.size(0), kRowsPerThread, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++)
      for (int64_t group = 0; group < target.groups; group++) {
        const float* const from = weights + row * target.columns + group * size;
        int8_t* const to = target.codes(row) + group * size;
        const Grid grid = kind.over(from, size);
        target.put(row, group, grid);
        for (int64_t i = 0; i < size; i++) to[i] = static_cast<int8_t>(kind.code(from[i], grid));
      }
  });
  return target.finish(kind);
}

nn::Quantized round_by_inputs(const at::Tensor& weight_RC, const InverseFactor& factor,
                              const QuantizeSettings& settings, const Job& job) {
  check_group("the matrix", weight_RC.size(1), settings.group);
  const Target target(weight_RC, settings);
  const auto& [kind, group] = settings;
  const auto fixed_RC = weight_RC.eq(0).to(at::kByte);
  const bool any_fixed = fixed_RC.any().item<bool>();
  if (group == 0) lay_over_rows(target, weight_RC, kind);
  const auto changing = weight_RC.clone();
  solve_columns(changing, factor.u_CC, block_for(group), job, [&](const ColumnBlock& of) {
    const uint8_t* const fixed = any_fixed ? fixed_RC.const_data_ptr<uint8_t>() + of.begin : nullptr;
    return [&, fixed, begin = of.begin](int64_t row) {
      return RoundedRow{kind,  target, fixed ? fixed + row * target.columns : nullptr, row,
                        begin, group,  group == 0 ? target.grid(row, 0) : Grid{}};
    };
  });
  return target.finish(kind);
}

}  // namespace tongueforge::compress
