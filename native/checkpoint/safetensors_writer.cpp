#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <set>

#include "checkpoint/json_text.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

constexpr size_t kAlignment = 8;

[[noreturn]] void refuse_spec(const char* reason, const std::string& message, std::string_view tensor) {
  throw Error("ERR_SAFETENSORS", str("tensor \"", printable(tensor), "\": ", message),
              "Every tensor needs its own name and a shape that fits a file.",
              {{"reason", reason}, {"tensor", printable(tensor)}});
}

bool reference_order(const TensorInfo& a, const TensorInfo& b) {
  return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
}

std::vector<TensorInfo> checked(const std::vector<TensorSpec>& specs) {
  std::vector<TensorInfo> tensors;
  std::set<std::string_view> names = {"__metadata__"};
  for (const TensorSpec& spec : specs) {
    if (const char* reason = refusal_of_name(spec.name)) refuse_spec(reason, "expected a name", spec.name);
    if (!names.insert(spec.name).second) refuse_spec("duplicate_name", "expected every name once", spec.name);
    uint64_t num_bytes = 0;
    if (const char* reason = size_of_tensor(spec.dtype, spec.shape, num_bytes)) {
      refuse_spec(reason, "expected a shape that our reader accepts", spec.name);
    }
    tensors.push_back({spec.name, spec.dtype, spec.shape, 0, num_bytes});
  }
  return tensors;
}

/// Puts sizes one after the other; returns their sum.
uint64_t lay_out(std::vector<TensorInfo>& tensors) {
  uint64_t at = 0;
  for (TensorInfo& tensor : tensors) {
    const uint64_t num_bytes = tensor.num_bytes();
    tensor.begin = at;
    if (__builtin_add_overflow(at, num_bytes, &at))
      refuse_spec("shape_overflow", "expected all data below 2^64", tensor.name);
    tensor.end = at;
  }
  return at;
}

std::string metadata_json(const Metadata& metadata) {
  std::string text = "\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (text.back() != '{') text += ',';
    text += json_quoted(key) + ':' + json_quoted(value);
  }
  return text + '}';
}

std::string entry_json(const TensorInfo& tensor) {
  std::string text =
      str(json_quoted(tensor.name), ":{\"dtype\":\"", dtype_name(tensor.dtype), "\",\"shape\":[");
  for (size_t i = 0; i < tensor.shape.size(); ++i) text += str(i ? "," : "", tensor.shape[i]);
  return text + str("],\"data_offsets\":[", tensor.begin, ",", tensor.end, "]}");
}

std::string header_bytes(const std::vector<TensorInfo>& tensors, const Metadata& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += metadata_json(metadata);
  for (const TensorInfo& tensor : tensors) {
    if (text.size() > 1) text += ',';
    text += entry_json(tensor);
  }
  text += '}';
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (text.size() > kMaxHeaderBytes) {
    throw Error("ERR_SAFETENSORS",
                str("Expected a header of at most ", kMaxHeaderBytes, " bytes, received ", text.size()),
                "Spread the tensors over several files.", {{"reason", "header_too_large"}});
  }
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

std::string shard_name(size_t index, size_t count) {
  const auto five = [](size_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "model-" + five(index + 1) + "-of-" + five(count) + ".safetensors";
}

std::vector<std::vector<TensorSpec>> split(const std::vector<TensorSpec>& tensors, uint64_t max_bytes) {
  std::vector<std::vector<TensorSpec>> groups(1);
  uint64_t filled = 0;
  for (const TensorSpec& tensor : tensors) {
    uint64_t num_bytes = 0;
    if (size_of_tensor(tensor.dtype, tensor.shape, num_bytes))
      num_bytes = 0;  // plan_file refuses it with its reason
    if (!groups.back().empty() && (filled > max_bytes || num_bytes > max_bytes - filled)) {
      groups.emplace_back();
      filled = 0;
    }
    groups.back().push_back(tensor);
    filled += num_bytes;
  }
  return groups;
}

std::vector<IndexRow> rows_of(const ShardPlan& plan) {
  std::vector<IndexRow> rows;
  for (const Shard& shard : plan.shards)
    for (const TensorInfo& tensor : shard.plan.tensors) rows.push_back({tensor.name, shard.file_name});
  return rows;
}

void check_names_across(const std::vector<TensorSpec>& tensors) {
  std::set<std::string_view> names;
  for (const TensorSpec& tensor : tensors) {
    if (!names.insert(tensor.name).second)
      refuse_spec("duplicate_name", "expected every name once", tensor.name);
  }
}

}  // namespace

FilePlan plan_file(const std::vector<TensorSpec>& specs, const Metadata& metadata, TensorOrder order) {
  FilePlan plan;
  plan.tensors = checked(specs);
  if (order == TensorOrder::Reference) std::sort(plan.tensors.begin(), plan.tensors.end(), reference_order);
  plan.data_bytes = lay_out(plan.tensors);
  plan.header = header_bytes(plan.tensors, metadata);
  return plan;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, FilePlan plan)
    : plan_(std::move(plan)), file_(PosixFile::create(path)) {
  file_.preallocate(plan_.file_size());
  file_.pwrite_exact(plan_.header.data(), plan_.header.size(), 0);
}

void SafetensorsWriter::write(std::string_view name, const void* data, uint64_t num_bytes) {
  for (const TensorInfo& tensor : plan_.tensors) {
    if (tensor.name != name) continue;
    if (num_bytes != tensor.num_bytes()) {
      throw Error("ERR_INTERNAL", str("Expected ", tensor.num_bytes(), " bytes for ", printable(name),
                                      ", received ", num_bytes));
    }
    return write_range(tensor, 0, data, num_bytes);
  }
  throw Error("ERR_INTERNAL", str("Expected a tensor of the plan, received ", printable(name)));
}

void SafetensorsWriter::write_range(const TensorInfo& tensor, uint64_t offset, const void* data,
                                    uint64_t count) {
  if (offset > tensor.num_bytes() || count > tensor.num_bytes() - offset) {
    throw Error("ERR_INTERNAL", str("Expected a range within ", printable(tensor.name), ", received ", count,
                                    " bytes from ", offset));
  }
  const uint64_t at = plan_.header.size() + tensor.begin + offset;
  file_.pwrite_exact(data, count, at);
  file_.start_writeback(at, count);
  bytes_written_ += count;
}

void SafetensorsWriter::finish() {
  if (bytes_written_ != plan_.data_bytes) {
    throw Error("ERR_INTERNAL", str("Expected ", plan_.data_bytes, " bytes of data in ", file_.path(),
                                    ", received ", bytes_written_));
  }
  file_.sync();
  file_.close();
}

std::string index_json(std::vector<IndexRow> rows, uint64_t total_size) {
  std::sort(rows.begin(), rows.end(),
            [](const IndexRow& a, const IndexRow& b) { return a.tensor < b.tensor; });
  std::string text =
      str("{\n  \"metadata\": {\n    \"total_size\": ", total_size, "\n  },\n  \"weight_map\": {");
  const char* separator = "\n    ";
  for (const auto& [tensor, file] : rows) {
    text += str(separator, json_quoted(tensor), ": ", json_quoted(file));
    separator = ",\n    ";
  }
  return text + "\n  }\n}\n";
}

ShardPlan plan_shards(const std::vector<TensorSpec>& tensors, const Metadata& metadata,
                      uint64_t max_shard_bytes) {
  check_names_across(tensors);
  const std::vector<std::vector<TensorSpec>> groups = split(tensors, max_shard_bytes);
  ShardPlan plan;
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string name = groups.size() == 1 ? "model.safetensors" : shard_name(i, groups.size());
    plan.shards.push_back({name, plan_file(groups[i], metadata)});
    plan.total_size += plan.shards.back().plan.data_bytes;
  }
  if (groups.size() > 1) plan.index_json = index_json(rows_of(plan), plan.total_size);
  return plan;
}

}  // namespace tongueforge::checkpoint
