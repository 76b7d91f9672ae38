#include "checkpoint/shard_index.h"

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/json_text.h"
#include "checkpoint/strict_json.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

constexpr const char* kHint =
    "Download or convert the model again; every file of the folder must come from the same save.";

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Letters, digits, '.', '_' and '-', beginning with one of the first two: nothing that a path could be made
/// of.
bool is_bare_file_name(std::string_view name, std::string_view extension) {
  if (name.empty() || name.size() > 255 || !is_alnum(name.front()) || !name.ends_with(extension))
    return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

/// The two numbers of "...-00002-of-00007.safetensors".
struct Position {
  uint64_t number, count;
};

std::optional<uint64_t> parse_digits(std::string_view digits) {
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::optional<Position> position_of(std::string_view file, std::string_view extension) {
  file.remove_suffix(extension.size());
  const size_t of = file.rfind("-of-");
  if (of == std::string_view::npos) return std::nullopt;
  const size_t dash = file.substr(0, of).rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = parse_digits(file.substr(dash + 1, of - dash - 1)),
             count = parse_digits(file.substr(of + 4));
  if (!number || !count) return std::nullopt;
  return Position{*number, *count};
}

class IndexParser {
 public:
  IndexParser(std::string_view text, const std::string& path, std::string_view extension)
      : json_(text, {"ERR_SHARD_INDEX", path, 0, kHint}), extension_(extension) {}

  ShardIndex parse() {
    if (json_.peek() != JsonKind::Object)
      json_.refuse("root_not_object", "expected the index to be an object");
    std::set<std::string> seen;
    std::string key;
    json_.begin_object();
    while (json_.next_key(key)) {
      if (!seen.insert(key).second)
        json_.refuse("duplicate_field", str("expected \"", printable(key), "\" once"));
      if (key == "metadata") {
        parse_metadata();
      } else if (key == "weight_map") {
        parse_weight_map();
      } else {
        json_.skip_value();
      }
    }
    json_.expect_end();
    if (index_.entries.empty())
      json_.refuse_at(0, "no_weight_map", "expected a weight_map with at least one tensor");
    sort_files();
    check_positions();
    return std::move(index_);
  }

 private:
  void parse_metadata() {
    if (json_.peek() != JsonKind::Object)
      json_.refuse("metadata_not_object", "expected metadata to be an object");
    std::set<std::string> seen;
    std::string key;
    json_.begin_object();
    while (json_.next_key(key)) {
      if (!seen.insert(key).second)
        json_.refuse("duplicate_field", str("expected \"", printable(key), "\" once"));
      if (key == "total_size") {
        index_.total_size_offset = json_.offset();
        index_.total_size = json_.read_u64();
      } else {
        json_.skip_value();
      }
    }
  }

  void parse_weight_map() {
    if (json_.peek() != JsonKind::Object)
      json_.refuse("weight_map_not_object", "expected weight_map to be an object");
    std::string tensor;
    json_.begin_object();
    while (json_.next_key(tensor)) {
      const uint64_t offset = json_.offset();
      json_.set_tensor(tensor);
      if (json_.peek() != JsonKind::String) json_.refuse("file_not_string", "expected the name of a file");
      index_.entries.push_back({tensor, file_number(json_.read_string()), offset});
      json_.set_tensor({});
    }
    sort_entries();
  }

  uint32_t file_number(const std::string& name) {
    if (!is_bare_file_name(name, extension_)) {
      json_.refuse("bad_file_name", str("expected a file of this folder such as model-00001-of-00002",
                                        extension_, ", received \"", printable(name), "\""));
    }
    const auto [it, is_new] = files_.emplace(name, static_cast<uint32_t>(files_.size()));
    if (is_new && files_.size() > kMaxShards)
      json_.refuse("too_many_shards", str("expected at most ", kMaxShards, " files"));
    return it->second;
  }

  void sort_entries() {
    auto& entries = index_.entries;
    std::sort(entries.begin(), entries.end(), [](const ShardIndexEntry& a, const ShardIndexEntry& b) {
      const int sign = a.tensor.compare(b.tensor);
      return sign < 0 || (sign == 0 && a.offset < b.offset);
    });
    for (size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].tensor != entries[i - 1].tensor) continue;
      json_.set_tensor(entries[i].tensor);
      json_.refuse_at(entries[i].offset, "duplicate_name", "expected every tensor once, received it twice");
    }
  }

  /// Numbers the files by name instead of by appearance.
  void sort_files() {
    std::vector<uint32_t> number_by_appearance(files_.size());
    for (const auto& [name, appearance] : files_) {
      number_by_appearance[appearance] = static_cast<uint32_t>(index_.files.size());
      index_.files.push_back(name);
    }
    for (ShardIndexEntry& entry : index_.entries) entry.file = number_by_appearance[entry.file];
  }

  void check_positions() {
    std::set<uint64_t> numbers, counts;
    for (const std::string& file : index_.files) {
      const auto position = position_of(file, extension_);
      if (!position) continue;  // other names are legal, they only promise nothing
      numbers.insert(position->number);
      counts.insert(position->count);
    }
    if (numbers.empty()) return;
    const uint64_t count = *counts.begin();
    const bool complete = numbers.size() == count && *numbers.begin() == 1 && *numbers.rbegin() == count;
    if (counts.size() > 1 || !complete) {
      json_.refuse_at(0, "incomplete_shards",
                      str("expected shards 1 to ", *counts.rbegin(), ", received ", numbers.size(), " from ",
                          *numbers.begin(), " to ", *numbers.rbegin()));
    }
  }

  JsonReader json_;
  std::string_view extension_;
  ShardIndex index_;
  std::map<std::string, uint32_t> files_;  // name -> order of appearance
};

}  // namespace

const ShardIndexEntry* ShardIndex::find(std::string_view tensor) const {
  const auto less = [](const ShardIndexEntry& entry, std::string_view wanted) {
    return entry.tensor < wanted;
  };
  const auto it = std::lower_bound(entries.begin(), entries.end(), tensor, less);
  return it == entries.end() || it->tensor != tensor ? nullptr : &*it;
}

ShardIndex parse_shard_index(std::string_view text, const std::string& path, std::string_view extension) {
  return IndexParser(text, path, extension).parse();
}

void refuse_index(const std::string& path, uint64_t offset, const char* reason, const std::string& message,
                  std::string_view tensor) {
  refuse_file("ERR_SHARD_INDEX", path, offset, reason, message, kHint, tensor);
}

}  // namespace tongueforge::checkpoint
