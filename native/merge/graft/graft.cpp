#include "merge/graft/graft.h"

#include <bit>
#include <functional>
#include <string_view>

#include "merge/stream/identity.h"

namespace tongueforge::merge {
GraftReport Graft::run(const std::string& staged_folder, Job& job, size_t num_threads) const {
  if (!problems_.empty()) throw problems_.front();
  StreamOptions options;
  options.identity = identity();
  options.bytes_to_read = bytes_to_read_;
  options.num_threads = num_threads;
  const StreamReport done = stream(output_, staged_folder, options, job);
  target_.check_unchanged();
  check_unchanged();
  return report_of(done);
}

void Graft::check_unchanged() const {
  for (const auto& [base, chat, delta] : files_) {
    for (const auto* model : {&base, &chat})
      if (*model) (*model)->check_unchanged();
    if (delta) delta->check_unchanged();
  }
}

StreamCheck Graft::check(const std::string& folder, uint64_t max_chunks, uint64_t seed, Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  return check_stream(output_, folder, max_chunks, seed, {}, job);
}

std::string Graft::identity() const {
  std::string text =
      str(identity_of("graft", {&target_}), inputs_.target.tied, ' ', identity_of(inputs_.target_rows), ' ',
          identity_of(inputs_.added_rows), '\n', static_cast<int>(inputs_.sparsify.kind), ' ',
          std::hash<double>()(inputs_.sparsify.density), ' ', inputs_.sparsify.seed, '\n');
  for (size_t i = 0; i < inputs_.vectors.size(); ++i) {
    const ChatVector& vector = inputs_.vectors[i];
    const auto& [base, chat, delta] = files_[i];
    text += delta ? identity_of(delta->file()) : identity_of(*base) + identity_of(*chat);
    text += str(vector.base.tied, vector.chat.tied, ' ', identity_of(vector.base_rows), ' ',
                identity_of(vector.chat_rows), '\n');
    for (const auto& [name, scale] : vector.scales)
      text += str(name, ' ', std::bit_cast<uint32_t>(scale), '\n');
  }
  return text;
}

GraftReport Graft::report_of(const StreamReport& stream) const {
  GraftReport report;
  report.bytes_read = stream.bytes_read;
  report.bytes_written = stream.bytes_written;
  report.bytes_resumed = stream.bytes_resumed;
  stream.for_each_piece(output_, [&](const PlacedPiece& placed, const PieceSums& sums) {
    const Told& told = told_.at(placed.name);
    if (told.copied) {
      ++report.tensors_copied;
    } else {
      report.add(told.kind, told.num_elements, sums.graft);
    }
  });
  return report;
}

}  // namespace tongueforge::merge
