// The first half of a graft: three sets of headers in, one list of steps out.
#include <algorithm>
#include <filesystem>

#include "checkpoint/json_text.h"
#include "checkpoint/shard_index.h"
#include "merge/complaint.h"
#include "merge/graft.h"

namespace tongueforge::merge {
namespace {

using checkpoint::ModelWeights;
using checkpoint::Weight;

constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

/// Older checkpoints store the rotary frequencies, newer ones compute them: they are no weights.
bool is_rotary_table(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

/// A model in the comparison: its weights, what it is called, whether its head is its embedding.
struct Side {
  const ModelWeights& weights;
  const char* role;
  bool tied;

  bool has_own_head() const { return !tied && weights.find(kHead); }

  /// What acts under this name in the model: a tied head is the embedding, whatever else the file stores.
  const Weight* acting(std::string_view name) const {
    return weights.find(name == kHead && tied ? kEmbedding : name);
  }
};

class Planner {
 public:
  Planner(const ModelWeights& target, const ModelWeights& base, const ModelWeights& chat,
          const GraftOptions& options)
      : target_{target, "target", options.target_tied},
        base_{base, "base", options.base_tied},
        chat_{chat, "chat", options.chat_tied} {
    plan_.target = &target, plan_.base = &base, plan_.chat = &chat;
  }

  GraftPlan plan() {
    check_tied_head();
    for (const Side* side : {&base_, &chat_}) check_extra(*side);
    for (const checkpoint::WeightFile& file : target_.weights.files()) plan_file(file);
    if (target_.weights.is_sharded()) plan_.bytes_to_write += index_bytes();
    for (const Complaint* complaint : {&tied_, &missing_, &vocabulary_, &shapes_, &dtypes_}) {
      if (!complaint->rows.empty()) plan_.problems.push_back(complaint->to_error());
    }
    return std::move(plan_);
  }

 private:
  /// A target whose head is its embedding has nowhere to put a head's own change.
  void check_tied_head() {
    if (!target_.tied) return;
    for (const Side* side : {&base_, &chat_}) {
      if (side->has_own_head())
        tied_.rows.push_back(str(kHead, ": stored apart from the embedding by the ", side->role, " model"));
    }
  }

  void check_extra(const Side& side) {
    for (const Weight& weight : side.weights.tensors()) {
      if (is_rotary_table(weight.name()) || target_.weights.find(weight.name())) continue;
      if (weight.name() == kHead && (side.tied || target_.tied))
        continue;  // a copy of the embedding, or complained of above
      missing_.rows.push_back(
          str(checkpoint::printable(weight.name()), ": in the ", side.role, " model, not in the target"));
    }
  }

  void plan_file(const checkpoint::WeightFile& source) {
    GraftFile file{&source, {}};
    for (const checkpoint::TensorInfo& tensor : source.file.tensors())
      file.steps.push_back(plan_step({&tensor, &source.file}));
    std::stable_sort(file.steps.begin(), file.steps.end(), [](const GraftStep& a, const GraftStep& b) {
      return a.target.info->begin < b.target.info->begin;
    });
    plan_.bytes_to_read += source.file.data_begin();
    plan_.bytes_to_write += source.file.file_size();
    plan_.files.push_back(std::move(file));
  }

  GraftStep plan_step(const Weight& target) {
    GraftStep step{target, {}, {}, module_kind_of(target.name())};
    plan_.bytes_to_read += target.num_bytes();
    if (is_rotary_table(target.name())) return step;
    const Weight* base = acting(base_, target.name());
    const Weight* chat = acting(chat_, target.name());
    if (!base || !chat || !check_shapes(target, *base, *chat) || !check_dtypes(target, *base, *chat))
      return step;
    if (!graft_supports(target.dtype())) return step;
    step.base = *base, step.chat = *chat;
    plan_.bytes_to_read += base->num_bytes() + chat->num_bytes();
    return step;
  }

  const Weight* acting(const Side& side, const std::string& name) {
    const Weight* weight = side.acting(name);
    if (!weight)
      missing_.rows.push_back(
          str(checkpoint::printable(name), ": in the target, not in the ", side.role, " model"));
    return weight;
  }

  bool check_shapes(const Weight& target, const Weight& base, const Weight& chat) {
    if (target.shape() == base.shape() && target.shape() == chat.shape()) return true;
    const bool is_vocabulary = target.name() == kHead || target.name() == kEmbedding;
    Complaint& complaint = is_vocabulary ? vocabulary_ : shapes_;
    complaint.rows.push_back(str(checkpoint::printable(target.name()), ": target ",
                                 shape_text(target.shape()), ", base ", shape_text(base.shape()), ", chat ",
                                 shape_text(chat.shape())));
    return false;
  }

  /// Three floats that we compute with, or nothing to compute with at all.
  bool check_dtypes(const Weight& target, const Weight& base, const Weight& chat) {
    const auto all = [&](auto property) {
      return property(target.dtype()) && property(base.dtype()) && property(chat.dtype());
    };
    if (all(graft_supports) || all([](DType dtype) { return !dtype_is_float(dtype); })) return true;
    dtypes_.rows.push_back(str(checkpoint::printable(target.name()), ": target ", dtype_name(target.dtype()),
                               ", base ", dtype_name(base.dtype()), ", chat ", dtype_name(chat.dtype())));
    return false;
  }

  uint64_t index_bytes() const {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(
        std::filesystem::path(target_.weights.folder()) / checkpoint::kIndexFileName, ignored);
    return ignored ? 0 : size;
  }

  Side target_, base_, chat_;
  GraftPlan plan_;
  Complaint tied_{"ERR_TIED_HEAD",
                  "Expected base and chat to use their embedding as the head, as the target does",
                  "Give the target a head of its own (tie_word_embeddings: false with a stored "
                  "lm_head.weight), or take a "
                  "base and a chat model with tied heads."};
  Complaint missing_{
      "ERR_MISSING_TENSOR", "Expected the three models to have the same tensors",
      "All three must be of one architecture: the target continues from the base, the chat model too."};
  Complaint vocabulary_{"ERR_VOCABULARY", "Expected the three models to have vocabularies of one size",
                        "Take a target with the vocabulary of its base."};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected the three models to have the same shapes",
                    "All three must be of one architecture and size."};
  Complaint dtypes_{"ERR_DTYPE", "Expected BF16, F16 or F32 in all three models",
                    "Convert quantised or 64-bit weights to bfloat16 first."};
};

}  // namespace

GraftPlan plan_graft(const ModelWeights& target, const ModelWeights& base, const ModelWeights& chat,
                     const GraftOptions& options) {
  return Planner(target, base, chat, options).plan();
}

}  // namespace tongueforge::merge
