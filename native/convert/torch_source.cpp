#include "convert/torch_source.h"

#include <map>
#include <set>
#include <tuple>

#include "core/error.h"

namespace tongueforge::convert {
namespace {

using checkpoint::PickleKind;
using checkpoint::PickleTensor;
using checkpoint::PickleTree;
using checkpoint::PickleValue;

/// Walks a tree that was checked when it was read: it is not deep, and not large with its shared parts
/// repeated.
class Describer {
 public:
  explicit Describer(const PickleTree& tree) : tree_(tree) {}

  Value run() {
    Value root = describe(tree_.root);
    return Value::Map{{"tree", std::move(root)},
                      {"tensors", std::move(tensors_)},
                      {"left_out", Value::List(left_out_.begin(), left_out_.end())}};
  }

 private:
  Value describe(PickleValue value) {
    switch (value.kind) {
      case PickleKind::boolean:
        return value.bits != 0;
      case PickleKind::integer:
        return value.bits;
      case PickleKind::real:
        return value.real();
      case PickleKind::text:
        return std::string(tree_.text(value));
      case PickleKind::list:
      case PickleKind::tuple:
      case PickleKind::set:
        return describe_list(value);
      case PickleKind::dict:
      case PickleKind::object:
        return describe_dict(value);
      case PickleKind::tensor:
        add_tensor(value.index());
        return {};
      case PickleKind::left_out:
        left_out_.emplace(tree_.text(value));
        return {};
      default:
        return {};
    }
  }

  Value describe_list(PickleValue value) {
    Value::List all;
    for (const PickleValue item : tree_.items(value)) {
      path_.push_back(std::to_string(all.size()));
      all.push_back(describe(item));
      path_.pop_back();
    }
    return all;
  }

  Value describe_dict(PickleValue value) {
    Value::Map all;
    const auto& pairs = tree_.items(value);
    for (size_t i = 0; i < pairs.size(); i += 2) {
      const std::string key = key_of(pairs[i]);
      if (key == "__proto__") continue;  // nothing needs it, and code that copies keys must not meet it
      path_.push_back(key);
      all.emplace_back(key, describe(pairs[i + 1]));
      path_.pop_back();
    }
    return all;
  }

  std::string key_of(PickleValue key) const {
    if (key.is(PickleKind::text)) return std::string(tree_.text(key));
    if (key.is(PickleKind::integer)) return std::to_string(key.bits);
    return "?";
  }

  void add_tensor(size_t index) {
    const PickleTensor& tensor = tree_.tensors[index];
    const auto view = std::tuple(tensor.storage, tensor.dtype, tensor.offset, tensor.shape, tensor.strides);
    const size_t id = ids_.try_emplace(view, index).first->second;
    tensors_.push_back(Value::Map{{"id", static_cast<uint64_t>(id)},
                                  {"path", Value::List(path_.begin(), path_.end())},
                                  {"dtype", dtype_name(tensor.dtype)},
                                  {"shape", Value::List(tensor.shape.begin(), tensor.shape.end())},
                                  {"bytes", tensor.num_bytes()}});
  }

  const PickleTree& tree_;
  std::vector<std::string> path_;
  Value::List tensors_;
  std::set<std::string> left_out_;
  std::map<std::tuple<uint32_t, DType, uint64_t, std::vector<int64_t>, std::vector<int64_t>>, size_t> ids_;
};

}  // namespace

std::shared_ptr<TorchSource> TorchSource::open(const std::vector<std::string>& paths, Job& job) {
  auto source = std::make_shared<TorchSource>();
  for (const std::string& path : paths) {
    job.check();
    source->files_.push_back(checkpoint::TorchFile::open(path));
  }
  return source;
}

int64_t TorchSource::bytes() const { return static_cast<int64_t>(files_.size()) << 16; }

Value describe(const checkpoint::TorchFile& file) { return Describer(file.tree()).run(); }

}  // namespace tongueforge::convert
