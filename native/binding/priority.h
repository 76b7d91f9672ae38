// How much of the cores a job gets, where others in the process want them too.
#pragma once

namespace tongueforge::binding {

/// [job] The calling thread, and those that it starts from now on, compute 10 levels of niceness lower,
/// "below normal": they get what the process's other threads leave. Linux alone gives a thread a priority of
/// its own.
void lower_priority();

}  // namespace tongueforge::binding
