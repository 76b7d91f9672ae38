// Clusters of the places of utterances: what masked training of speech foretells.
#include "binding/exports.h"
#include "checkpoint/safetensors.h"
#include "core/error.h"

namespace tongueforge::binding {
namespace {

std::vector<int32_t> read_int32s(const checkpoint::SafetensorsFile& file,
                                 const checkpoint::TensorInfo& tensor) {
  if (tensor.dtype != DType::I32 || tensor.shape.size() != 1)
    throw Error("ERR_DATA",
                str(file.path(), ": ", tensor.name, ": expected a row of I32, received ",
                    dtype_name(tensor.dtype), " of ", tensor.shape.size(), " dimensions"),
                "Name the labels.safetensors of a folder that `tongueforge clusters` has made.",
                {{"file", file.path()}, {"tensor", tensor.name}});
  std::vector<int32_t> values(static_cast<size_t>(tensor.shape[0]));
  file.read(tensor, values.data());
  return values;
}

}  // namespace

// readLabels({path}, on_event): {name, labels: Int32 ArrayBuffer}[]; every tensor of a file, each a row of
// int32
Napi::Value read_labels(const Napi::CallbackInfo& info) {
  return start_job(info, [path = Options(info[0]).text("path")](Job& job) -> Value {
    const auto file = checkpoint::SafetensorsFile::open(path);
    Value::List all;
    for (const auto& tensor : file.tensors()) {
      job.check();
      all.push_back(Value::Map{{"name", tensor.name}, {"labels", read_int32s(file, tensor)}});
    }
    return all;
  });
}

}  // namespace tongueforge::binding
