// Parts of a model in memory leave: heads, hidden units of feed-forward layers, layers.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_rows.h"
#include "compress/heads.h"
#include "compress/layers.h"
#include "compress/rows.h"
#include "train/loss.h"

namespace tongueforge::binding {
namespace {

/// {model, batches, loss: kind}: what every job here is told.
struct Pruning {
  std::shared_ptr<models::Model> model;
  std::vector<PackedRows> packed;
  std::string loss;

  explicit Pruning(const Options& options)
      : model(unwrap<models::Model>(options.value("model"))),
        packed(read_batches(options)),
        loss(options.text("loss")) {}

  compress::CalibrationRows rows() const {
    const auto batches = to_batches(packed, model->vocab_size());
    compress::CalibrationRows rows;
    for (const auto& batch : batches) rows.batches.push_back(batch.rows());
    // Made by who first asks: a model that has none can be looked at all the same.
    rows.loss = [model = model, kind = loss, made = std::shared_ptr<const train::Loss>(), batches](
                    size_t batch, const Job& job) mutable {
      if (!made) made = train::make_loss({kind}, *model);
      return made->count(batches[batch]) == 0 ? at::Tensor() : made->sum(batches[batch], &job).sum;
    };
    return rows;
  }
};

// {keep: number[]} or {remove, block}
compress::UnitBudget read_budget(const Options& options) {
  if (options.has("keep")) return {options.integers("keep")};
  return {{}, options.integer("remove"), options.integer("block")};
}

template <class Word>
Word read_word(const Options& options, const char* key,
               const std::vector<std::pair<const char*, Word>>& words) {
  const auto given = options.text(key);
  for (const auto& [name, word] : words)
    if (given == name) return word;
  throw Error("ERR_INTERNAL", str("Unknown ", key, " of a job: ", given));
}

compress::HeadOptions read_head_options(const Options& options) {
  using C = compress::HeadCriterion;
  using U = compress::HeadUnit;
  return {read_word<C>(options, "criterion", {{"l1", C::l1}, {"data", C::data}, {"taylor", C::taylor}}),
          read_word<U>(options, "unit", {{"group", U::group}, {"query", U::query}}), read_budget(options)};
}

compress::RowOptions read_row_options(const Options& options) {
  using C = compress::RowCriterion;
  return {read_word<C>(options, "criterion",
                       {{"l1", C::l1}, {"activation", C::activation}, {"taylor", C::taylor}}),
          read_budget(options)};
}

Value to_value(const std::vector<double>& scores) { return Value::List(scores.begin(), scores.end()); }

Value to_value(const std::vector<int64_t>& numbers) {
  return std::vector<int32_t>(numbers.begin(), numbers.end());
}

template <class Part>
Value by_layer(const std::vector<Part>& parts) {
  Value::List all;
  for (const auto& part : parts) all.push_back(to_value(part));
  return all;
}

}  // namespace

// pruneHeads({model, batches, loss, criterion, unit, keep | remove, block}, on_event):
// {scores: number[][], kept, kept_kv: Int32 ArrayBuffer[]}
Napi::Value prune_heads(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [pruning = Pruning(options), how = read_head_options(options)](Job& job) -> Value {
    const auto pruned = compress::prune_heads(*pruning.model, how, pruning.rows(), job);
    return Value::Map{{"scores", by_layer(pruned.scores)},
                      {"kept", by_layer(pruned.kept)},
                      {"kept_kv", by_layer(pruned.kept_kv)}};
  });
}

// keepHeads({model, kept: Int32Array[]}, on_event): {kept_kv: Int32 ArrayBuffer[]}
Napi::Value keep_heads(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  compress::KeptUnits heads;
  for (const auto& row : options.rows("kept")) heads.emplace_back(row.begin(), row.end());
  return start_job(info, [model = unwrap<models::Model>(options.value("model")), heads](Job&) -> Value {
    return Value::Map{{"kept_kv", by_layer(compress::keep_heads(*model, heads).kept_kv)}};
  });
}

// pruneRows({model, batches, loss, criterion, keep | remove, block}, on_event):
// {scores: number[][], kept: Int32 ArrayBuffer[]}
Napi::Value prune_rows(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [pruning = Pruning(options), how = read_row_options(options)](Job& job) -> Value {
    const auto pruned = compress::prune_rows(*pruning.model, how, pruning.rows(), job);
    return Value::Map{{"scores", by_layer(pruned.scores)}, {"kept", by_layer(pruned.kept)}};
  });
}

// dropLayers({model, batches, loss, criterion, count} | {model, batches, loss, kept: number[]}, on_event):
// {scores: number[], kept: Int32 ArrayBuffer}
Napi::Value drop_layers(const Napi::CallbackInfo& info) {
  using C = compress::LayerCriterion;
  const Options options(info[0]);
  const auto kept = options.has("kept") ? options.integers("kept") : std::vector<int64_t>();
  const auto criterion =
      read_word<C>(options, "criterion", {{"influence", C::influence}, {"angle", C::angle}});
  return start_job(
      info,
      [pruning = Pruning(options), kept, criterion,
       count = kept.empty() ? options.integer("count") : 0](Job& job) -> Value {
        auto& model = *pruning.model;
        const auto dropped = kept.empty()
                                 ? compress::drop_layers(model, criterion, count, pruning.rows(), job)
                                 : compress::keep_layers(model, kept);
        return Value::Map{{"scores", to_value(dropped.scores)}, {"kept", to_value(dropped.kept)}};
      });
}

}  // namespace tongueforge::binding
