#include "binding/read_graft.h"

#include <algorithm>

namespace tongueforge::binding {
namespace {

merge::GraftModel read_model(const Options& options) {
  return {options.text("folder"), options.flag("tied")};
}

merge::RowMap read_rows(const Options& options, const char* key) {
  if (!options.has(key)) return nullptr;
  return std::make_shared<const std::vector<int32_t>>(options.int32s(key));
}

merge::ChatVector read_vector(const Options& options, const std::vector<std::string>& tensors) {
  merge::ChatVector vector;
  if (options.has("delta")) {
    vector.delta = options.text("delta");
  } else {
    vector.base = read_model(options.object("base"));
    vector.chat = read_model(options.object("chat"));
  }
  vector.base_rows = read_rows(options, "base_rows");
  vector.chat_rows = read_rows(options, "chat_rows");
  const auto scales = options.numbers("scales");
  for (size_t i = 0; i < tensors.size(); ++i)
    vector.scales.emplace(tensors[i], static_cast<float>(scales.at(i)));
  return vector;
}

merge::Sparsify read_sparsify(const Options& options) {
  using Kind = merge::Sparsify::Kind;
  const std::string kind = options.text("kind");
  return {kind == "ties"   ? Kind::ties
          : kind == "dare" ? Kind::dare
                           : Kind::none,
          options.number("density"), static_cast<uint64_t>(options.integer("seed"))};
}

std::shared_ptr<const std::vector<bool>> missing_rows(const merge::RowMap& rows) {
  if (!rows || std::find(rows->begin(), rows->end(), -1) == rows->end()) return nullptr;
  auto missing = std::make_shared<std::vector<bool>>();
  for (const int32_t row : *rows) missing->push_back(row < 0);
  return missing;
}

}  // namespace

merge::GraftInputs read_graft_inputs(const Options& options) {
  merge::GraftInputs inputs{
      read_model(options.object("target")), {}, read_rows(options, "target_rows"), {}, {}};
  const auto tensors = options.texts("tensors");
  for (const Options& vector : options.objects("vectors"))
    inputs.vectors.push_back(read_vector(vector, tensors));
  inputs.added_rows = missing_rows(inputs.target_rows);
  if (options.has("sparsify")) inputs.sparsify = read_sparsify(options.object("sparsify"));
  return inputs;
}

}  // namespace tongueforge::binding
