#include "encode/encode.h"

#include <algorithm>

#include "encode/finite.h"
#include "kernels/aten.h"
#include "models/token_rows.h"

namespace tongueforge::encode {
namespace {

constexpr size_t kPackedTokens = 4096;  // the machine's rate is reached, the hidden states stay small

/// Texts first .. last-1, one after the other in one row; begins[i] is where text first + i begins.
struct Pack {
  size_t first, last;
  models::Rows rows;
  std::vector<int64_t> begins;
};

Pack make_pack(const Texts& texts, size_t first) {
  Pack pack = {first, first, {}, {}};
  std::vector<int64_t> ids, segments;
  while (pack.last < texts.size() &&
         (pack.last == first || ids.size() + texts[pack.last].size() <= kPackedTokens)) {
    const auto& text = texts[pack.last];
    pack.begins.push_back(static_cast<int64_t>(ids.size()));
    ids.insert(ids.end(), text.begin(), text.end());
    segments.insert(segments.end(), text.size(), static_cast<int64_t>(pack.last - first));
    pack.last++;
  }
  pack.rows = {at::tensor(ids, at::kLong).unsqueeze(0), at::tensor(segments, at::kLong).unsqueeze(0)};
  return pack;
}

// body(pack, hidden (T,D) of all its texts)
template <class Body>
void for_each_pack(const models::TextEncoder& model, const Texts& texts, Job& job, const Body& body) {
  const at::NoGradGuard no_grad;
  models::check_token_rows(texts, model.vocab_size());
  for (size_t first = 0; first < texts.size();) {
    const auto pack = make_pack(texts, first);
    body(pack, model.hidden_packed(pack.rows, &job).squeeze(0));
    first = pack.last;
    job.progress(
        Value::Map{{"done", static_cast<int64_t>(first)}, {"total", static_cast<int64_t>(texts.size())}});
  }
}

at::Tensor first_tokens(const Pack& pack, const at::Tensor& hidden_TD) {
  return hidden_TD.index_select(0, at::tensor(pack.begins, at::kLong).to(hidden_TD.device()));
}

at::Tensor means(const Pack& pack, const at::Tensor& hidden_TD) {
  const auto texts = static_cast<int64_t>(pack.begins.size());
  const auto text_T = pack.rows.segments_BT.squeeze(0).to(hidden_TD.device());
  const auto sums = at::zeros({texts, hidden_TD.size(1)}, hidden_TD.options().dtype(at::kFloat))
                        .index_add_(0, text_T, hidden_TD.to(at::kFloat));
  return sums.div_(at::bincount(text_T, {}, texts).unsqueeze(1));
}

at::Tensor joined(const std::vector<at::Tensor>& parts, int64_t width) {
  return parts.empty() ? at::empty({0, width}, at::kFloat) : at::cat(parts);
}

}  // namespace

at::Tensor embed(const models::TextEncoder& model, const Texts& texts, Pooling pooling, bool normalised,
                 Job& job) {
  std::vector<at::Tensor> parts;
  for_each_pack(model, texts, job, [&](const Pack& pack, const at::Tensor& hidden_TD) {
    auto pooled = finite(pooling == Pooling::mean ? means(pack, hidden_TD) : first_tokens(pack, hidden_TD),
                         pack.first, "states");
    if (normalised) pooled = pooled / pooled.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
    parts.push_back(pooled);
  });
  return joined(parts, model.spec().hidden_size);
}

at::Tensor classify(const models::TextEncoder& model, const Texts& texts, Job& job) {
  models::as_classifier(model);
  std::vector<at::Tensor> parts;
  for_each_pack(model, texts, job, [&](const Pack& pack, const at::Tensor& hidden_TD) {
    parts.push_back(finite(model.label_logits(first_tokens(pack, hidden_TD)), pack.first, "logits"));
  });
  return joined(parts, model.spec().num_labels);
}

std::vector<Filling> fill_masks(const models::TextEncoder& model, const Texts& texts, int32_t mask_id,
                                int64_t top_k, Job& job) {
  models::as_masked_lm(model);
  std::vector<Filling> fillings;
  for_each_pack(model, texts, job, [&](const Pack& pack, const at::Tensor& hidden_TD) {
    const auto places = pack.rows.ids_BT.squeeze(0).eq(mask_id).nonzero().squeeze(1);
    if (places.numel() == 0) return;
    const auto logits =
        model.token_logits(hidden_TD.index_select(0, places.to(hidden_TD.device()))).to(at::kCPU, at::kFloat);
    for (int64_t i = 0; i < places.numel(); i++) {
      const auto text = pack.rows.segments_BT[0][places[i].item<int64_t>()].item<int64_t>();
      finite(logits[i].unsqueeze(0), pack.first + static_cast<size_t>(text), "logits");
    }
    const auto [probabilities, ids] = logits.softmax(-1).topk(std::min(top_k, logits.size(1)));
    for (int64_t i = 0; i < places.numel(); i++) {
      const int64_t place = places[i].item<int64_t>();
      const int64_t text = pack.rows.segments_BT[0][place].item<int64_t>();
      Filling filling = {
          static_cast<int64_t>(pack.first) + text, place - pack.begins[static_cast<size_t>(text)], {}, {}};
      for (int64_t k = 0; k < ids.size(1); k++) {
        filling.ids.push_back(static_cast<int32_t>(ids[i][k].item<int64_t>()));
        filling.probabilities.push_back(probabilities[i][k].item<double>());
      }
      fillings.push_back(std::move(filling));
    }
  });
  return fillings;
}

}  // namespace tongueforge::encode
