// A safetensors file: length, header, layout of the data.
#include "checkpoint/safetensors.h"

#include "bytes.h"
#include "checkpoint/safetensors_scan.h"
#include "checkpoint/safetensors_writer.h"
#include "core/error.h"
#include "made_headers.h"
#include "memory_file.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

using checkpoint::SafetensorsFile;
using checkpoint::TensorInfo;

/// What every user of an open file builds on.
void check_layout(const SafetensorsFile& file, std::string_view input) {
  uint64_t bytes = 0;
  std::string data;
  for (const TensorInfo& tensor : file.tensors()) {
    require(file.find(tensor.name) == &tensor, "a tensor is found by its name");
    require(checkpoint::refusal_of_name(tensor.name) == nullptr, "a name is one that is allowed");
    uint64_t expected = 0;
    require(checkpoint::size_of_tensor(tensor.dtype, tensor.shape, expected) == nullptr,
            "a shape has a size");
    require(expected == tensor.num_bytes(), "the size of a tensor is that of its shape");
    data.resize(tensor.num_bytes());
    file.read(tensor, data.data());
    require(data == input.substr(file.data_begin() + tensor.begin, data.size()),
            "a tensor has its own bytes");
    bytes += tensor.num_bytes();
  }
  require(file.data_begin() + bytes == input.size(), "tensors cover the whole of the data");
  require(file.read_header_bytes() == input.substr(0, file.data_begin()), "the header is given as it stands");
}

/// What was read can be written, and read again as the same.
void check_again(const SafetensorsFile& file) {
  std::vector<checkpoint::TensorSpec> specs;
  for (const TensorInfo& tensor : file.tensors()) specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  const auto plan = checkpoint::plan_file(specs, file.metadata(), checkpoint::TensorOrder::AsGiven);
  const auto again =
      checkpoint::parse_header(std::string_view(plan.header).substr(8), plan.data_bytes, "again");
  require(again.tensors.size() == specs.size() && again.metadata == file.metadata(),
          "a header is written as read");
  for (size_t i = 0; i < specs.size(); i++)
    require(again.tensors[i].name == specs[i].name && again.tensors[i].dtype == specs[i].dtype &&
                again.tensors[i].shape == specs[i].shape,
            "a tensor is written as read");
}

bool run(std::string_view input) {
  try {
    const auto file = SafetensorsFile::open(MemoryFile::of(input));
    check_layout(file, input);
    check_again(file);
    SilentJob job;
    require(checkpoint::scan(file, job).size() == file.tensors().size(),
            "a row of the scan for every tensor");
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_SAFETENSORS");
    return false;
  }
}

// Held at once: the text, its tensors and names, the same again while sorted, a tensor of data.
size_t memory(size_t input_bytes) { return 4 * input_bytes + (1 << 20); }

}  // namespace

const Target safetensors_header = {"safetensors_header", run, made_safetensors, mutate_safetensors, memory};

}  // namespace tongueforge::fuzz
