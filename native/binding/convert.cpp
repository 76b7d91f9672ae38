// Files of torch, read and written as safetensors.
#include "binding/exports.h"
#include "binding/handle.h"
#include "checkpoint/shard_index.h"
#include "convert/write_tensors.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<convert::TorchSource> source_of(const Options& options) {
  return unwrap<convert::TorchSource>(options.value("source"));
}

// {name, file, id, mask?}[]
std::vector<convert::ConvertedTensor> read_tensors(const Options& options) {
  std::vector<convert::ConvertedTensor> all;
  for (const auto& row : options.objects("tensors")) {
    convert::ConvertedTensor tensor{row.text("name"), static_cast<size_t>(row.integer("file")),
                                    static_cast<size_t>(row.integer("id")), std::nullopt};
    if (row.has("mask")) tensor.mask = static_cast<size_t>(row.integer("mask"));
    all.push_back(std::move(tensor));
  }
  return all;
}

}  // namespace

// openTorch({paths}, on_event): {source: Handle, files: {tree, tensors, left_out}[]}
Napi::Value open_torch(const Napi::CallbackInfo& info) {
  return start_job(info, [paths = Options(info[0]).texts("paths")](Job& job) -> Value {
    auto source = convert::TorchSource::open(paths, job);
    Value::List files;
    for (const auto& file : source->files()) files.push_back(convert::describe(file));
    return Value::Map{{"source", std::move(source)}, {"files", std::move(files)}};
  });
}

// readShardIndex({path, extension}, on_event): {files: names, tensors: {name, file}[]}; file: its place among
// the names
Napi::Value read_shard_index(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [path = options.text("path"), extension = options.text("extension")](Job&) -> Value {
    const auto text = checkpoint::read_file(path, checkpoint::kMaxIndexBytes);
    const auto index = checkpoint::parse_shard_index(text, path, extension);
    Value::List tensors;
    for (const auto& row : index.entries)
      tensors.push_back(Value::Map{{"name", row.tensor}, {"file", static_cast<uint64_t>(row.file)}});
    return Value::Map{{"files", Value::List(index.files.begin(), index.files.end())},
                      {"tensors", std::move(tensors)}};
  });
}

// writeTorchTensors({source, tensors, staged, max_shard_bytes}, on_event): {files, bytes_read, bytes_written}
Napi::Value write_torch_tensors(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [source = source_of(options), tensors = read_tensors(options), staged = options.text("staged"),
       max_shard_bytes = options.integer("max_shard_bytes")](Job& job) -> Value {
        const auto written =
            convert::write_tensors(*source, tensors, staged, static_cast<uint64_t>(max_shard_bytes), job);
        return Value::Map{{"files", written.num_files},
                          {"bytes_read", written.bytes_read},
                          {"bytes_written", written.bytes_written}};
      });
}

}  // namespace tongueforge::binding
