#include "encode/sound.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_speech.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

std::vector<encode::Sound> sounds_of(const models::Rows& rows) {
  std::vector<encode::Sound> all;
  for (const auto& sound : rows.sounds) all.push_back({sound});
  return all;
}

}  // namespace

TEST_CASE("many sounds of all lengths come out in their order, each as alone") {
  const auto model = test::tiny_speech(test::tiny_melhubert_spec());
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 40; i++) lengths.push_back(1 + (i * 37) % 190);
  const auto rows = test::noise_rows(*model, lengths, 1);
  SilentJob job;
  const auto all = encode::sound_states(*model, sounds_of(rows), {0, 2, encode::kLast}, job);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < all.size(); i++) {
    const auto one = model->hidden_states(test::one_row(rows, static_cast<int64_t>(i)), {0, 2});
    const auto expected = at::stack({one.behind_BTD[0][0], one.behind_BTD[1][0], one.last_BTD[0]});
    CHECK(all[i].sizes() == at::IntArrayRef({3, lengths[i], 24}));
    CHECK((all[i] - expected).abs().max().item<double>() < 1e-5);
  }
}

TEST_CASE("places that are marked are not heard, and marks are one for each place") {
  const auto model = test::tiny_speech(test::tiny_melhubert_spec());
  const auto rows = test::noise_rows(*model, {7, 5}, 2);
  auto sounds = sounds_of(rows);
  SilentJob job;
  const auto heard = encode::sound_states(*model, sounds, {2}, job);
  sounds[1].hidden_T = at::arange(5).eq(3);
  const auto marked = encode::sound_states(*model, sounds, {2}, job);
  CHECK((marked[0] - heard[0]).abs().max().item<double>() < 1e-5);
  CHECK((marked[1] - heard[1]).abs().max().item<double>() > 1e-3);
  sounds[1].hidden_T = at::arange(6).eq(3);
  CHECK_THROWS_WITH_AS(encode::sound_states(*model, sounds, {2}, job),
                       "Expected one mark for each of 5 places in row 1, received 6", Error);
}

TEST_CASE("sound that is too short for one place is refused") {
  const auto model = test::tiny_speech(test::tiny_hubert_spec());
  SilentJob job;
  CHECK_THROWS_WITH_AS(encode::sound_states(*model, {{at::zeros({40})}, {at::zeros({12})}}, {0}, job),
                       "Expected sound that is long enough for one place in row 1, received 12 samples",
                       Error);
}
