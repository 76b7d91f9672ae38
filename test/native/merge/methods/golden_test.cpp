// Every method against arrays that numpy and torch made from the formulas: test/golden/merge_methods.
#include <sstream>

#include "checkpoint/safetensors.h"
#include "fixtures.h"
#include "merge/methods/rounding.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

using Words = std::vector<std::pair<std::string, std::string>>;

constexpr uint64_t kSeed = 123;
const std::string kFolder = std::string(TONGUEFORGE_GOLDEN) + "/merge_methods/";

/// "method=ties tolerance=0" as pairs.
Words words_of(const std::string& text) {
  Words words;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    const size_t at = word.find('=');
    words.emplace_back(word.substr(0, at), word.substr(at + 1));
  }
  return words;
}

std::string take(Words& words, const std::string& key) {
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (word->first != key) continue;
    const std::string value = word->second;
    words.erase(word);
    return value;
  }
  return "";
}

std::vector<float> read(const checkpoint::SafetensorsFile& file, const std::string& name) {
  const auto* info = file.find(name);
  REQUIRE(info != nullptr);
  std::vector<float> values(info->num_bytes() / sizeof(float));
  file.read(*info, values.data());
  return values;
}

struct Case {
  std::string method;
  std::optional<DType> compat;
  double tolerance = 0;
  bool has_base = true;
  size_t num_inputs = 0;
  Parameters of_tensor = {};
  std::vector<Parameters> of_inputs = {};
};

Case case_of(const std::string& text) {
  Words words = words_of(text);
  Case result{take(words, "method"), dtype_from_name(take(words, "compat"))};
  result.tolerance = std::stod(take(words, "tolerance"));
  result.has_base = take(words, "base") == "1";
  result.of_inputs.resize(std::stoul(take(words, "inputs")));
  for (const auto& [key, value] : words) {
    const size_t at = key.find(':');
    if (at == std::string::npos) {
      result.of_tensor.set(key, std::stod(value));
    } else {
      result.of_inputs[std::stoul(key)].set(key.substr(at + 1), std::stod(value));
    }
  }
  return result;
}

Models models_of(const Case& wanted, const std::string& tensor, const checkpoint::SafetensorsFile& file) {
  Models models{file.find("base." + tensor)->shape, read(file, "base." + tensor), {}, wanted.of_inputs};
  models.of_tensor = wanted.of_tensor;
  models.compat = wanted.compat;
  models.name = tensor;
  for (size_t i = 0; i < wanted.of_inputs.size(); ++i)
    models.inputs.push_back(read(file, std::to_string(i) + "." + tensor));
  if (!wanted.compat) return models;
  merge::for_rounding(*wanted.compat, [&](auto round) {
    for (float& value : models.base) value = round(value);
    for (auto& input : models.inputs)
      for (float& value : input) value = round(value);
  });
  return models;
}

}  // namespace

TEST_CASE("merge methods agree with numpy and torch") {
  const auto inputs = checkpoint::SafetensorsFile::open(kFolder + "inputs.safetensors");
  const auto expected = checkpoint::SafetensorsFile::open(kFolder + "expected.safetensors");
  for (const auto& [name, text] : expected.metadata()) {
    if (name == "format") continue;
    INFO(name, ": ", text);
    const Case wanted = case_of(text);
    const Method& method = merge::method_named(wanted.method);
    merge::TorchSequence sequence(kSeed);
    uint64_t position = 0;
    for (const std::string tensor_name : {"matrix", "vector"}) {
      const Models models = models_of(wanted, tensor_name, inputs);
      MethodTensor tensor = models.tensor(method, 0, models.size());
      if (!wanted.has_base) tensor.base = nullptr;
      merge::CounterDraws counter(kSeed, tensor_name);
      merge::TorchDraws torch = sequence.at(position);
      tensor.draws = wanted.compat ? static_cast<merge::Draws*>(&torch) : &counter;
      position += merge::draws_needed(method, tensor.inputs, tensor.size);
      std::vector<float> out(models.size());
      method.merge(tensor, out.data());
      const auto want = read(expected, name + "." + tensor_name);
      double largest = 0, apart = 0;
      for (size_t i = 0; i < out.size(); ++i) {
        largest = std::max(largest, std::fabs(double{want[i]}));
        apart = std::max(apart, std::fabs(double{out[i]} - want[i]));
      }
      INFO(tensor_name, ": ", apart, " apart, of ", largest);
      CHECK(apart <= wanted.tolerance * largest);
    }
  }
}

TEST_CASE("every method has a golden case, and those with steps of mergekit one in each of its dtypes") {
  const auto expected = checkpoint::SafetensorsFile::open(kFolder + "expected.safetensors");
  for (const Method& method : merge::methods()) {
    size_t count = 0;
    for (const auto& [name, text] : expected.metadata())
      count += text.starts_with(std::string("method=") + method.name + " ") ? 1 : 0;
    INFO(std::string(method.name));
    CHECK(count >= 1);
  }
}
