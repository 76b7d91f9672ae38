#include "merge/rows/row_extension.h"

#include "merge/stream/identity.h"
#include "merge/vocabulary_tensors.h"

namespace tongueforge::merge {
namespace {

/// Of what decides the new rows.
uint64_t hash_of(const NewRows& rows) {
  uint64_t value = 14695981039346656037u;  // FNV-1a
  const auto add = [&](int64_t part) { value = (value ^ static_cast<uint64_t>(part)) * 1099511628211u; };
  for (const auto& pieces : rows.pieces) {
    add(static_cast<int64_t>(pieces.size()));
    for (const int32_t id : pieces) add(id);
  }
  return value;
}

}  // namespace

RowExtensionReport RowExtension::run(const std::string& staged_folder, Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  StreamOptions options;
  options.identity =
      str(identity_of("vocab extend", {&model_}), rows_.first, ' ', rows_.num_rows, ' ', hash_of(rows_));
  options.bytes_to_read = bytes_to_read_;
  const StreamReport done = stream(output_, staged_folder, options, job);
  model_.check_unchanged();
  RowExtensionReport report;
  report.bytes_read = done.bytes_read;
  report.bytes_written = done.bytes_written;
  done.for_each_piece(output_, [&](const PlacedPiece& placed, const PieceSums& sums) {
    ++(is_vocabulary(placed.name) ? report.tensors_extended : report.tensors_copied);
    report.num_nonfinite += sums.graft.num_nonfinite;
  });
  return report;
}

Value to_value(const RowExtensionReport& report) {
  return Value::Map{{"tensors_extended", report.tensors_extended},
                    {"tensors_copied", report.tensors_copied},
                    {"bytes_read", report.bytes_read},
                    {"bytes_written", report.bytes_written},
                    {"nonfinite", report.num_nonfinite}};
}

}  // namespace tongueforge::merge
