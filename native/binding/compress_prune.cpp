// Pruning of weights.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_rows.h"
#include "compress/prune.h"

namespace tongueforge::binding {
namespace {

compress::PruneOptions read_options(const Options& options) {
  const auto layers = options.texts("layers");
  compress::PruneOptions prune;
  prune.criterion = compress::criterion_from_name(options.text("criterion"));
  prune.amount.sparsity = options.number("sparsity");
  if (options.has("pattern")) {
    const auto pattern = options.object("pattern");
    prune.amount.pattern = {pattern.integer("kept"), pattern.integer("of")};
  }
  prune.layers = {layers.begin(), layers.end()};
  prune.scope = kernels::mask_scope_from_name(options.text("scope"));
  prune.biases = options.flag("biases");
  prune.damping = options.number("damping");
  prune.block = options.integer("block");
  return prune;
}

Value to_value(const compress::PrunedTensor& tensor) {
  Value::Map map = {{"name", tensor.name}, {"size", tensor.size}, {"zeros", tensor.zeros}};
  if (tensor.error) map.emplace_back("error", *tensor.error);
  if (tensor.damping) {
    map.emplace_back("damping", *tensor.damping);
    map.emplace_back("retries", tensor.retries);
  }
  return map;
}

}  // namespace

// pruneWeights({model, batches, criterion, sparsity, pattern?: {kept, of}, layers, scope, biases, damping,
// block}, on_event): {name, size, zeros, error?, damping?, retries?}[]
Napi::Value prune_weights(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<models::Model>(options.value("model")), packed = read_batches(options),
                    prune = read_options(options)](Job& job) -> Value {
                     std::vector<models::Rows> rows;
                     for (const auto& batch : to_batches(packed, model->vocab_size()))
                       rows.push_back(batch.rows());
                     Value::List tensors;
                     for (const auto& tensor : compress::prune_weights(*model, prune, std::move(rows), job))
                       tensors.push_back(to_value(tensor));
                     return tensors;
                   });
}

}  // namespace tongueforge::binding
