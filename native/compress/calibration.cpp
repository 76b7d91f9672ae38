#include "compress/calibration.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

// Where a document stands; undefined where that is everywhere, and nothing need be picked out.
at::Tensor places_of(const models::Rows& rows) {
  const auto inside = rows.segments_BT.ge(0).flatten();
  return inside.all().item<bool>() ? at::Tensor() : inside.nonzero().squeeze(1);
}

// (B,T,C) -> (P,C)
at::Tensor at_places(const at::Tensor& x, const at::Tensor& maybe_places_P) {
  const auto all = x.reshape({-1, x.size(-1)});
  return maybe_places_P.defined() ? all.index_select(0, maybe_places_P) : all;
}

// In place of a linear layer whose outputs nobody wants: zeros.
class Unwanted final : public nn::Execution {
 public:
  explicit Unwanted(int64_t outputs) : outputs_(outputs) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor&) const override {
    auto shape = x.sizes().vec();
    shape.back() = outputs_;
    return at::zeros({}, x.options()).expand(shape);
  }
  int64_t bytes() const override { return 0; }

 private:
  int64_t outputs_;
};

// In place of a linear layer: multiplies as it does, and lets somebody hear what comes out.
class Overheard final : public nn::Execution {
 public:
  Overheard(const nn::Linear& linear, std::function<void(const at::Tensor& y)> hear)
      : linear_(linear), hear_(std::move(hear)) {
    linear_.observer = nullptr;
  }

  at::Tensor operator()(const at::Tensor& x, const at::Tensor&) const override {
    auto y = linear_(x);
    hear_(y);
    return y;
  }
  int64_t bytes() const override { return 0; }

 private:
  nn::Linear linear_;
  std::function<void(const at::Tensor& y)> hear_;
};

/// While it lives, a linear layer is executed another way.
class ExecutionScope {
 public:
  ExecutionScope(nn::Linear& linear, std::shared_ptr<const nn::Execution> execution)
      : linear_(&linear), before_(std::exchange(linear.execution, std::move(execution))) {}
  ~ExecutionScope() {
    if (linear_) linear_->execution = before_;
  }
  ExecutionScope(ExecutionScope&& other) noexcept
      : linear_(std::exchange(other.linear_, nullptr)), before_(std::move(other.before_)) {}
  ExecutionScope& operator=(ExecutionScope&&) = delete;

 private:
  nn::Linear* linear_;
  std::shared_ptr<const nn::Execution> before_;
};

}  // namespace

Calibration::Calibration(models::Model& model, std::vector<models::Rows> rows, const Job& job)
    : model_(model), job_(job), num_blocks_(model.blocks().size()) {
  const at::NoGradGuard no_grad;
  for (auto& of : rows) {
    job.check();
    Batch batch = {of, {}, places_of(of)};
    const int64_t places = batch.maybe_places_P.defined() ? batch.maybe_places_P.numel() : of.places();
    if (places == 0) continue;
    places_ += places;
    batch.x_BTD = model.embed(of);
    batches_.push_back(std::move(batch));
  }
  if (places_ == 0)
    throw Error("ERR_CALIBRATION", "Expected calibration rows with text in them, received none",
                "Name texts under calibration.data.");
}

bool Calibration::leaves_out(const nn::Linear& linear) const {
  return &linear == model_.blocks().at(block_).narrow.linear;
}

// What comes out is dropped, so the block's last product, a fifth of its multiplications, is left out.
void Calibration::observe(const std::vector<Listener>& listeners,
                          const std::vector<OutputListener>& output_listeners) const {
  auto& last = *model_.blocks().at(block_).narrow.linear;
  const bool wanted =
      std::ranges::any_of(output_listeners, [&](const auto& listener) { return listener.linear == &last; });
  std::optional<ExecutionScope> scope;
  if (!wanted) scope.emplace(last, std::make_shared<const Unwanted>(batches_[0].x_BTD.size(-1)));
  for (const auto& batch : batches_) run(batch, listeners, output_listeners);
}

void Calibration::advance(const std::vector<Listener>& listeners) {
  for (auto& batch : batches_) batch.x_BTD = run(batch, listeners, {});
  block_++;
}

at::Tensor Calibration::run(const Batch& batch, const std::vector<Listener>& listeners,
                            const std::vector<OutputListener>& output_listeners) const {
  const at::NoGradGuard no_grad;
  job_.check();
  // A layer has one observer, and any number of listeners.
  std::map<nn::Linear*, std::vector<const Listener*>> by_linear;
  for (const auto& listener : listeners) by_linear[listener.linear].push_back(&listener);
  std::vector<nn::ObserverScope> scopes;
  for (const auto& [linear, all] : by_linear)
    scopes.emplace_back(*linear, [&batch, &all = all](const at::Tensor& x) {
      const auto x_PC = at_places(x, batch.maybe_places_P);
      for (const auto* listener : all) listener->hear(x_PC);
    });
  std::deque<ExecutionScope> executions;
  for (const auto& [linear, hear] : output_listeners)
    executions.emplace_back(
        *linear, std::make_shared<const Overheard>(*linear, [&batch, &hear = hear](const at::Tensor& y) {
          hear(at_places(y, batch.maybe_places_P));
        }));
  return model_.run_block(block_, batch.x_BTD, batch.rows, &job_);
}

}  // namespace tongueforge::compress
