#include "train/readings.h"

#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

TEST_CASE("numbers are read in the order they were noted, each as float64 has it") {
  train::Readings readings;
  CHECK(readings.read().empty());
  CHECK(readings.note(at::scalar_tensor(0.1, at::kFloat)) == 0);
  CHECK(readings.note(at::tensor({1.5, 2.5}, at::kDouble)) == 1);
  CHECK(readings.note(at::scalar_tensor(3, at::kLong).set_requires_grad(false)) == 3);
  CHECK(readings.note(at::tensor({2, 0}, at::kInt).gt(1)) == 4);
  const std::vector<double> expected = {static_cast<double>(0.1f), 1.5, 2.5, 3, 1, 0};
  CHECK(readings.read() == expected);
}

TEST_CASE("what is noted is read as it was then") {
  train::Readings readings;
  const auto number = at::scalar_tensor(2, at::kFloat).set_requires_grad(true);
  readings.note(number * 3);
  number.detach().fill_(5);
  CHECK(readings.read() == std::vector<double>{6});
  const auto wide = at::scalar_tensor(2, at::kDouble);
  readings.note(wide);
  wide.fill_(9);
  CHECK(readings.read()[1] == 2);
}
