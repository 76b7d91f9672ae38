#include "merge/delta/delta_file.h"

#include <algorithm>
#include <functional>

#include "checkpoint/block_sums.h"
#include "checkpoint/json_text.h"

namespace tongueforge::merge {
namespace {

constexpr std::string_view kSamples = "base", kOwn = "own", kOwnRows = "own_rows";

[[noreturn]] void refuse(const std::string& file, const std::string& problem, const std::string& hint) {
  throw Error("ERR_DELTA", str(file, ": ", problem), hint, {{"file", file}});
}

std::string text_of(const checkpoint::SafetensorsFile& file, std::string_view key) {
  for (const auto& [name, value] : file.metadata())
    if (name == key) return value;
  return "";
}

/// "NAME:suffix" -> the entry's name and the suffix; no tensor of a model has a colon in its name.
std::pair<std::string, std::string> cut(const std::string& name) {
  const auto colon = name.rfind(':');
  if (colon == std::string::npos) return {name, ""};
  return {name.substr(0, colon), name.substr(colon + 1)};
}

const DeltaCodec& codec_of(const StoredDelta& stored) {
  std::vector<std::string> suffixes;
  for (const auto& [suffix, info] : stored.parts) suffixes.push_back(suffix);
  for (const DeltaCodec& codec : delta_codecs())
    if (std::equal(suffixes.begin(), suffixes.end(), codec.suffixes.begin(), codec.suffixes.end()))
      return codec;
  std::string list;
  for (const std::string& suffix : suffixes) list += (list.empty() ? "" : ", ") + ("'" + suffix + "'");
  stored.refuse(str("expected the parts of one format, received ", list.empty() ? "none" : list));
}

/// A difference, and behind its last row those of the chat model's own.
class WithOwnRows final : public DeltaTensor {
 public:
  WithOwnRows(std::unique_ptr<DeltaTensor> difference, const DeltaEntry& entry)
      : difference_(std::move(difference)),
        file_(*entry.stored.file),
        own_(*entry.own),
        end_(entry.num_elements()) {}

  void read(uint64_t first, uint64_t count, float* out) const override {
    const uint64_t before = first < end_ ? std::min(count, end_ - first) : 0;
    if (before > 0) difference_->read(first, before, out);
    if (before < count)
      file_.read_range(own_, (first + before - end_) * 4, (count - before) * 4, out + before);
  }

 private:
  std::unique_ptr<DeltaTensor> difference_;
  const checkpoint::SafetensorsFile& file_;
  const checkpoint::TensorInfo& own_;
  uint64_t end_;  // of the difference
};

void check_own_rows(const DeltaEntry& entry) {
  const auto count = static_cast<int64_t>(entry.own_rows.size());
  const bool is_matrix = entry.shape.size() == 2;
  const bool fits = is_matrix && entry.own && entry.own->dtype == DType::F32 &&
                    entry.own->shape == std::vector<int64_t>{count, entry.shape[1]};
  const bool rises = std::adjacent_find(entry.own_rows.begin(), entry.own_rows.end(),
                                        std::greater_equal<>()) == entry.own_rows.end();
  if (!fits || !rises ||
      (count > 0 && (entry.own_rows.front() < 0 || entry.own_rows.back() >= entry.shape[0])))
    entry.stored.refuse("expected rows of the chat model's own, F32, and their numbers, which rise");
}

}  // namespace

uint64_t DeltaEntry::num_bytes() const {
  uint64_t sum = samples ? samples->num_bytes() : 0;
  if (own) sum += own->num_bytes() + own_rows.size() * 8;
  for (const auto& [suffix, info] : stored.parts) sum += info->num_bytes();
  return sum;
}

DeltaFile DeltaFile::open(const std::string& path) {
  DeltaFile file(std::make_unique<checkpoint::SafetensorsFile>(checkpoint::SafetensorsFile::open(path)));
  file.check_format();
  file.collect();
  return file;
}

void DeltaFile::check_format() {
  const std::string format = text_of(*file_, "format"), version = text_of(*file_, "version");
  if (format != kDeltaFormat)
    refuse(path(),
           str("expected a delta, received safetensors of format '", checkpoint::printable(format), "'"),
           "Make one with `tongueforge delta extract`.");
  if (version == kDeltaVersion) return file_->compare_blocks();
  if (version != kUnsummedVersion)
    refuse(path(),
           str("expected version ", kUnsummedVersion, " or ", kDeltaVersion, ", received '",
               checkpoint::printable(version), "'"),
           "Read it with the version of tongueforge that wrote it, or extract it again.");
}

void DeltaFile::collect() {
  std::vector<const checkpoint::TensorInfo*> sorted;
  for (const auto& info : file_->tensors())
    if (info.name != checkpoint::kBlockSums) sorted.push_back(&info);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return cut(a->name) < cut(b->name); });
  for (const checkpoint::TensorInfo* info : sorted) {
    auto [name, suffix] = cut(info->name);
    if (entries_.empty() || entries_.back().name != name)
      entries_.push_back({name, {}, nullptr, {file_.get(), name, {}}, nullptr, nullptr, {}});
    place(entries_.back(), suffix, info);
  }
  for (DeltaEntry& entry : entries_) {
    entry.codec = &codec_of(entry.stored);
    entry.shape = entry.codec->shape(entry.stored);
    if (entry.samples && (entry.samples->dtype != DType::F32 || entry.samples->shape.size() != 1))
      entry.stored.refuse("expected the samples of the base to be F32 with one dimension");
    if (entry.own || !entry.own_rows.empty()) check_own_rows(entry);
  }
}

void DeltaFile::place(DeltaEntry& entry, const std::string& suffix, const checkpoint::TensorInfo* info) {
  if (suffix == kSamples) {
    entry.samples = info;
  } else if (suffix == kOwn) {
    entry.own = info;
  } else if (suffix == kOwnRows) {
    entry.own_rows = StoredDelta{file_.get(), entry.name, {{suffix, info}}}.read_integers(suffix);
  } else {
    entry.stored.parts.emplace_back(suffix, info);
  }
}

std::unique_ptr<DeltaTensor> DeltaFile::open_tensor(const DeltaEntry& entry) const {
  auto difference = entry.codec->decode(entry.stored, entry.shape);
  if (!entry.own) return difference;
  return std::make_unique<WithOwnRows>(std::move(difference), entry);
}

const DeltaEntry* DeltaFile::find(std::string_view name) const {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), name,
      [](const DeltaEntry& entry, std::string_view wanted) { return std::string_view(entry.name) < wanted; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

void DeltaFile::read(std::string_view name, uint64_t first, uint64_t count, float* out) const {
  const DeltaEntry* entry = find(name);
  if (!entry)
    throw Error("ERR_MISSING_TENSOR", str(path(), ": expected a tensor ", checkpoint::printable(name)),
                "The delta must be of the model's architecture.", {{"file", path()}});
  open_tensor(*entry)->read(first, count, out);
}

std::vector<float> DeltaFile::samples(const DeltaEntry& entry) const {
  std::vector<float> values(entry.samples ? entry.samples->num_elements() : 0);
  if (entry.samples) file_->read(*entry.samples, values.data());
  return values;
}

}  // namespace tongueforge::merge
