// A classifier of fastText: the file, and what it says of a few texts.
#include "text/fasttext.h"

#include <cmath>

#include "core/error.h"
#include "made_fasttext.h"
#include "memory_file.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

constexpr int64_t kTopK = 3;

void check_guesses(const text::FastText& model, std::string_view text) {
  const auto guesses = model.predict(text, kTopK);
  require(guesses.size() <= std::min<size_t>(kTopK, model.labels().size()), "no more labels than there are");
  for (size_t i = 0; i < guesses.size(); i++) {
    require(std::isfinite(guesses[i].probability), "a probability is a number");
    require(i == 0 || guesses[i].probability <= guesses[i - 1].probability, "the best comes first");
  }
}

bool run(std::string_view input) {
  try {
    const auto model = text::FastText::open(MemoryFile::of(input));
    for (const std::string_view text :
         {std::string_view("w0 w1 hello"), std::string_view("\xc3\xa9\xff </s> w1"), input.substr(0, 96)})
      check_guesses(*model, text);
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_FASTTEXT");
    return false;
  }
}

// Ten bytes make a label: its place in a map, its count, two nodes of a tree.
size_t memory(size_t input_bytes) { return 32 * input_bytes + (1 << 20); }

}  // namespace

const Target fasttext = {"fasttext", run, made_fasttext, mutate_fasttext, memory};

}  // namespace tongueforge::fuzz
