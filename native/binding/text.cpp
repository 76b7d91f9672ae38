// Learning of tokens, and classifiers of text.
#include <algorithm>
#include <thread>

#include "binding/exports.h"
#include "binding/handle.h"
#include "text/bpe_trainer.h"
#include "text/fasttext.h"

namespace tongueforge::binding {
namespace {

text::BpeCorpus read_corpus(const Options& options) {
  return {.tokens = options.texts("tokens"),
          .words = options.int32s("words"),
          .lengths = options.int32s("lengths"),
          .counts = options.counts("counts")};
}

text::BpeOptions read_bpe_options(const Options& options) {
  const auto threads = static_cast<int>(options.integer("threads"));
  const auto cores = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
  return {.vocab_size = options.integer("vocab_size"),
          .min_count = options.integer("min_count"),
          .max_token_length = options.integer("max_token_length"),
          .coverage = options.has("coverage") ? options.number("coverage") : 0,
          .reserved = options.has("reserved") ? options.int32s("reserved") : std::vector<int32_t>{},
          .only_new = options.flag("only_new"),
          .threads = threads > 0 ? threads : cores};
}

}  // namespace

// trainBpe({tokens, words, lengths, counts, vocab_size, min_count, max_token_length, coverage?, reserved?,
// only_new?}, on_event): {merges: (left, right, result)[], counts, tokens_before, tokens_after, coverage}
Napi::Value train_bpe(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info, [corpus = read_corpus(options), settings = read_bpe_options(options)](Job& job) mutable -> Value {
        const auto learnt = text::train_bpe(std::move(corpus), settings, job);
        std::vector<int32_t> merges;
        Value::List counts;
        for (const auto& [left, right, result, count] : learnt.merges) {
          merges.insert(merges.end(), {left, right, result});
          counts.push_back(count);
        }
        return Value::Map{{"merges", std::move(merges)},
                          {"counts", std::move(counts)},
                          {"tokens_before", learnt.tokens_before},
                          {"tokens_after", learnt.tokens_after},
                          {"coverage", learnt.coverage}};
      });
}

// openFastText({path}, on_event): {model: Handle, labels, dim}
Napi::Value open_fasttext(const Napi::CallbackInfo& info) {
  return start_job(info, [path = Options(info[0]).text("path")](Job&) -> Value {
    const auto model = text::FastText::open(path);
    Value::List labels;
    for (const auto& label : model->labels()) labels.push_back(std::string(label));
    return Value::Map{{"model", model}, {"labels", std::move(labels)}, {"dim", model->dim()}};
  });
}

// fastTextLabels({model, texts, top_k}, on_event): {label, probability}[][]
Napi::Value fasttext_labels(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<text::FastText>(options.value("model")), texts = options.texts("texts"),
                    top_k = options.integer("top_k")](Job& job) -> Value {
                     Value::List all;
                     for (const auto& text : texts) {
                       job.check();
                       Value::List guesses;
                       for (const auto& [label, probability] : model->predict(text, top_k))
                         guesses.push_back(
                             Value::Map{{"label", std::string(label)}, {"probability", double{probability}}});
                       all.push_back(std::move(guesses));
                     }
                     return all;
                   });
}

}  // namespace tongueforge::binding
