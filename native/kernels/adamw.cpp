#include "kernels/adamw.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

void adamw_(AdamWState& state, const AdamWCoefficients& c) {
  if (state.parameters.empty()) return;
  at::_fused_adamw_(state.parameters, state.gradients, state.first_moments, state.second_moments,
                    /*max_exp_avg_sqs=*/{}, state.steps, c.lr, c.beta1, c.beta2, c.weight_decay, c.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace tongueforge::kernels
