#include "nn/recompute.h"

#include <algorithm>

#include "kernels/autograd.h"
#include "kernels/few_rows.h"

namespace tongueforge::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_trained(const at::Tensor& tensor) { return tensor.requires_grad(); }

// The same values as new leaves, so that what is recorded from them ends there.
variable_list as_leaves(const variable_list& saved, size_t count) {
  variable_list leaves;
  for (size_t i = 0; i < count; i++)
    leaves.push_back(saved[i].detach().set_requires_grad(saved[i].requires_grad()));
  return leaves;
}

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  // autograd calls this without recording. `tensors`: the inputs, then the parameters.
  static variable_list forward(AutogradContext* context, const Recomputable& part, at::TensorList tensors,
                               int64_t num_inputs) {
    context->save_for_backward(tensors.vec());
    context->saved_data["part"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(part));
    context->saved_data["num_inputs"] = num_inputs;
    context->set_materialize_grads(false);
    const kernels::AsRecordedScope as_in_backward;
    return part(tensors.slice(0, static_cast<size_t>(num_inputs)).vec());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto num_inputs = static_cast<size_t>(context->saved_data["num_inputs"].toInt());
    auto sources = as_leaves(saved, num_inputs);
    variable_list outputs;
    {
      const at::AutoGradMode recording(true);
      outputs = static_cast<Kept*>(context->saved_data["part"].toCapsule().get())->part(sources);
    }
    sources.insert(sources.end(), saved.begin() + static_cast<int64_t>(num_inputs), saved.end());

    variable_list of_sources = gradients_of(std::move(outputs), sources, std::move(gradients));
    of_sources.insert(of_sources.begin(), at::Tensor());  // of the part
    of_sources.emplace_back();                            // of num_inputs
    return of_sources;
  }

 private:
  struct Kept : torch::CustomClassHolder {
    explicit Kept(Recomputable kept) : part(std::move(kept)) {}
    Recomputable part;
  };

  // One for each source, undefined where it is not trained.
  static variable_list gradients_of(variable_list outputs, const variable_list& sources,
                                    variable_list of_outputs) {
    variable_list reached, incoming, trained;
    for (size_t i = 0; i < outputs.size(); i++) {
      if (!of_outputs[i].defined() || !is_trained(outputs[i])) continue;
      reached.push_back(std::move(outputs[i]));
      incoming.push_back(std::move(of_outputs[i]));
    }
    std::copy_if(sources.begin(), sources.end(), std::back_inserter(trained), is_trained);
    const auto found = torch::autograd::grad(reached, trained, incoming, /*retain_graph=*/false,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    variable_list all;
    size_t next = 0;
    for (const auto& source : sources) all.push_back(is_trained(source) ? found[next++] : at::Tensor());
    return all;
  }
};

}  // namespace

std::vector<at::Tensor> recomputed(const Recomputable& part, const std::vector<at::Tensor>& inputs,
                                   const std::vector<at::Tensor>& parameters) {
  auto tensors = inputs;
  std::copy_if(parameters.begin(), parameters.end(), std::back_inserter(tensors), is_trained);
  const bool is_recorded =
      at::GradMode::is_enabled() && std::any_of(tensors.begin(), tensors.end(), is_trained);
  if (!is_recorded) return part(inputs);
  return Recomputed::apply(part, at::TensorList(tensors), static_cast<int64_t>(inputs.size()));
}

}  // namespace tongueforge::nn
