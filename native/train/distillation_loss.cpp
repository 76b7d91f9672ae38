// Student and teacher see the same rows; the places that are learnt are those of the language loss, for
// logits and hidden states alike, so that all is a sum over target tokens. Encoders learn from an encoder, at
// the places of hidden tokens, as the masked loss has them.
#include "train/distillation_loss.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/hidden_match.h"
#include "models/decoder.h"
#include "models/masked_predictor.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

// D: of the residual stream.
int64_t width_of(const models::Model& model) {
  const auto& out = *model.blocks().at(0).narrow.linear;
  return out.factors ? out.factors->out_OR.size(0) : out.weight.size(0);
}

std::vector<size_t> layers_of(const HiddenOptions& hidden, size_t LayerPair::* side) {
  std::vector<size_t> layers;
  for (const auto& pair : hidden.layers) layers.push_back(pair.*side);
  return layers;
}

void check_layers(const std::vector<size_t>& layers, const models::Model& model, const char* whose) {
  const size_t count = model.blocks().size();
  for (const size_t layer : layers)
    if (layer > count)
      throw Error("ERR_USAGE",
                  str("Expected at most ", count, " blocks of the ", whose, " to match, received ", layer));
}

bool hides_tokens(const models::Model& model) {
  return dynamic_cast<const models::MaskedPredictor*>(&model) != nullptr;
}

/// The same model. Throws ERR_MODEL_CONFIG where it is not of the kind of the student, or has no head.
const models::Model& with_head(const models::Model& model, bool hides) {
  if (!hides) return models::as_decoder(model);
  models::as_masked_predictor(model);
  return model;
}

/// Of the last states at the places that are learnt, (M,D). The head's first half, too, is an encoder's own.
kernels::HeadInputs head_inputs(const models::Model& model, const at::Tensor& last_MD) {
  if (!hides_tokens(model)) return {last_MD, models::as_decoder(model).head()};
  const auto& encoder = models::as_masked_predictor(model);
  return {encoder.prediction(last_MD), encoder.decoder(), encoder.decoder_bias()};
}

/// Of the places that are learnt.
struct States {
  kernels::HeadInputs head;
  std::vector<at::Tensor> behind;  // (M,D) each
};

States states_at(const models::Model& model, const Batch& batch, const at::Tensor& places_M,
                 const std::vector<size_t>& layers, const Job* job) {
  const auto at_places = [&](const at::Tensor& x_BTD) {
    return x_BTD.flatten(0, 1).index_select(0, places_M);
  };
  const auto all = model.hidden_states(batch.rows(), layers, job);
  States states = {head_inputs(model, at_places(all.last_BTD)), {}};
  for (const auto& x_BTD : all.behind_BTD) states.behind.push_back(at_places(x_BTD));
  return states;
}

class DistillationLoss final : public Loss {
 public:
  DistillationLoss(const DistillationLossOptions& options, const models::Model& model)
      : options_(options),
        hides_(hides_tokens(model)),
        student_(with_head(model, hides_)),
        teacher_(with_head(*options.teacher, hides_)),
        student_layers_(layers_of(options.hidden, &LayerPair::student)),
        teacher_layers_(layers_of(options.hidden, &LayerPair::teacher)),
        vocab_size_(std::min(student_.vocab_size(), teacher_.vocab_size())) {
    check_layers(student_layers_, student_, "student");
    check_layers(teacher_layers_, teacher_, "teacher");
    make_projections();
  }

  int64_t count(const Batch& batch) const override { return targets_of(batch).count(); }
  int64_t bytes() const override { return teacher_.bytes(); }

  std::vector<models::Parameter> parameters() override {
    std::vector<models::Parameter> all;
    for (size_t i = 0; i < projections_.size(); i++)
      all.push_back({"distillation.projections." + std::to_string(i) + ".weight", &projections_[i],
                     projections_[i].sizes().vec(), models::ParameterKind::matrix});
    return all;
  }

  LossSum sum(const Batch& batch, const Job* job) const override {
    const auto targets = targets_of(batch).on(student_.device());
    const auto of_teacher = teacher_states(batch, targets, job);
    const auto of_student = states_at(student_, batch, targets.places_M, student_layers_, job);
    auto mix = options_.mix;
    mix.chunks.job = job;
    const auto parts = kernels::linear_distillation(rows_of(of_student.head), rows_of(of_teacher.head),
                                                    targets.tokens_M, mix);
    LossSum told = {parts.total, {{"nll", parts.nll}, {"divergence", parts.divergence}}};
    if (student_layers_.empty()) return told;
    const auto apart = distance(of_student, of_teacher);
    told.figures["hidden"] = apart.detach();
    told.sum = told.sum.add(apart, options_.hidden.weight);
    return told;
  }

 private:
  // One for each pair of layers; what goes in with variance 1 comes out so.
  void make_projections() {
    const int64_t from = width_of(student_), to = width_of(teacher_);
    if (from == to) return;
    auto random = at::detail::createCPUGenerator(options_.hidden.seed);
    for (size_t i = 0; i < student_layers_.size(); i++)
      projections_.push_back(at::empty({to, from})
                                 .normal_(0, 1 / std::sqrt(static_cast<double>(from)), random)
                                 .to(student_.device()));
  }

  Targets targets_of(const Batch& batch) const { return hides_ ? Targets::hidden(batch) : Targets(batch); }

  States teacher_states(const Batch& batch, const Targets& targets, const Job* job) const {
    const at::NoGradGuard no_grad;
    return states_at(teacher_, batch, targets.places_M, teacher_layers_, job);
  }

  // Tables are often padded to a round number of rows, each to another. Backward through a part of one costs
  // another of its size.
  kernels::HeadInputs rows_of(const kernels::HeadInputs& head) const {
    const auto rows = [&](const at::Tensor& of_all) {
      return !of_all.defined() || of_all.size(0) == vocab_size_ ? of_all : of_all.narrow(0, 0, vocab_size_);
    };
    return {head.hidden, rows(head.weight), rows(head.bias)};
  }

  // The mean over the pairs, summed over the places.
  at::Tensor distance(const States& student, const States& teacher) const {
    at::Tensor total;
    for (size_t i = 0; i < student.behind.size(); i++) {
      const auto& x_MD = student.behind[i];
      const auto seen_MD = projections_.empty() ? x_MD : at::linear(x_MD.to(at::kFloat), projections_[i]);
      const auto apart = kernels::hidden_match(seen_MD, teacher.behind[i], options_.hidden.cosine);
      total = total.defined() ? total.add(apart) : apart;
    }
    return total.div(static_cast<double>(student.behind.size()));
  }

  DistillationLossOptions options_;
  bool hides_;  // tokens, which are learnt at their own places
  const models::Model &student_, &teacher_;
  std::vector<size_t> student_layers_, teacher_layers_;
  int64_t vocab_size_;                   // rows that both heads have
  std::vector<at::Tensor> projections_;  // (teacher's D, student's D) each; none where the two are equal
};

}  // namespace

std::unique_ptr<Loss> make_distillation_loss(const LossOptions& options, const models::Model& model) {
  if (!options.distillation.teacher) throw Error("ERR_USAGE", "Expected a teacher, received none");
  return std::make_unique<DistillationLoss>(options.distillation, model);
}

}  // namespace tongueforge::train
