// The first half of an extraction: two sets of headers in, the parts of a delta file out.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "checkpoint/block_sums.h"
#include "checkpoint/json_text.h"
#include "checkpoint/safetensors_writer.h"
#include "merge/complaint.h"
#include "merge/delta/delta_extract.h"
#include "merge/delta/delta_piece.h"
#include "merge/delta/delta_samples.h"
#include "merge/graft/graft_kernel.h"
#include "merge/model_side.h"

namespace tongueforge::merge {
namespace {

using checkpoint::ModelWeights;
using checkpoint::TensorSpec;
using checkpoint::Weight;

ReadValues values_of(const Source& source) {
  return [source](uint64_t first, uint64_t count, float* out) {
    std::vector<char> scratch(count * static_cast<uint64_t>(dtype_width(source.dtype())));
    source.read_floats(first, count, out, scratch.data());
  };
}

/// Throws where a value is infinite or no number.
void check_finite(const std::string& name, uint64_t first, uint64_t count, const float* values) {
  constexpr uint32_t kExponent = 0x7f800000u;
  bool all_finite = true;
  for (uint64_t i = 0; i < count; ++i)
    all_finite &= (std::bit_cast<uint32_t>(values[i]) & kExponent) != kExponent;
  if (all_finite) return;
  const auto bad = std::find_if(values, values + count, [](float value) { return !std::isfinite(value); });
  const uint64_t index = first + static_cast<uint64_t>(bad - values);
  throw Error(
      "ERR_NON_FINITE",
      str(checkpoint::printable(name), ": expected numbers in both models, the difference at element ", index,
          " is ", std::isnan(*bad) ? "not a number" : "infinite"),
      "One of the models is damaged: `tongueforge inspect MODEL --scan` counts such values.",
      {{"tensor", checkpoint::printable(name)}, {"element", std::to_string(index)}});
}

/// float32(chat) - float32(base), of finite values.
ReadValues difference_of(const std::string& name, const Source& base, const Source& chat) {
  return [name, base, chat](uint64_t first, uint64_t count, float* out) {
    std::vector<char> from(count * static_cast<uint64_t>(dtype_width(base.dtype())));
    std::vector<char> to(count * static_cast<uint64_t>(dtype_width(chat.dtype())));
    base.read_raw(first, count, from.data());
    chat.read_raw(first, count, to.data());
    subtract_span(base.dtype(), from.data(), chat.dtype(), to.data(), out, count);
    check_finite(name, first, count, out);
  };
}

std::string sample_bytes(const MeasuredInput& input) {
  std::string bytes;
  for (const uint64_t position : sample_positions(input.difference.num_elements())) {
    float value;
    input.base(position, 1, &value);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

}  // namespace

class DeltaExtraction::Planner {
 public:
  Planner(DeltaExtraction& extraction, Job& job)
      : extraction_(extraction),
        job_(job),
        base_{extraction.base_, "base", extraction.inputs_.base.tied},
        chat_{extraction.chat_, "chat", extraction.inputs_.chat.tied} {}

  void plan() {
    for (const std::string& name : names()) match(name);
    for (const Complaint* complaint : {&missing_, &vocabulary_, &shapes_, &dtypes_})
      if (!complaint->rows.empty()) extraction_.problems_.push_back(complaint->to_error());
    if (!extraction_.problems_.empty()) return;
    for (const MeasuredInput& input : extraction_.inputs_of_tensors_) encode(input);
    lay_out();
  }

 private:
  /// What acts in either model, in the order of the chat model's files, so that these are read from front to
  /// back.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    std::set<std::string_view> seen;
    const bool head = base_.has_own_head() || chat_.has_own_head();
    const auto add = [&](std::string_view name) {
      if (is_rotary_table(name) || (name == kHeadName && !head) || !seen.insert(name).second) return;
      all.emplace_back(name);
    };
    for (const Side* side : {&chat_, &base_})
      for (const Weight& weight : side->weights.tensors()) add(weight.name());
    if (head) add(kHeadName);
    return all;
  }

  void match(const std::string& name) {
    const Weight *base = acting(base_, name), *chat = acting(chat_, name);
    if (!base || !chat) return;
    const bool mapped = is_vocabulary(name) && extraction_.inputs_.base_rows;
    const Source from(*base, mapped ? extraction_.inputs_.base_rows : nullptr);
    const Source to(*chat, mapped ? chat_rows() : nullptr);
    if (from.shape() != to.shape() || (mapped && to.shape() != chat->shape())) {
      (is_vocabulary(name) ? vocabulary_ : shapes_)
          .rows.push_back(str(checkpoint::printable(name), ": base ", shape_text(base->shape()), ", chat ",
                              shape_text(chat->shape())));
      return;
    }
    if (!dtype_is_float(base->dtype()) && !dtype_is_float(chat->dtype())) return;
    if (!graft_reads(base->dtype()) || !graft_reads(chat->dtype())) {
      dtypes_.rows.push_back(str(checkpoint::printable(name), ": base ", dtype_name(base->dtype()), ", chat ",
                                 dtype_name(chat->dtype())));
      return;
    }
    extraction_.inputs_of_tensors_.push_back(
        {{name, to.shape(), difference_of(name, from, to)}, values_of(from)});
  }

  /// A row of the chat model that the base does not have is no difference.
  RowMap chat_rows() const {
    auto rows = *extraction_.inputs_.base_rows;
    for (size_t row = 0; row < rows.size(); ++row)
      if (rows[row] >= 0) rows[row] = static_cast<int32_t>(row);
    return std::make_shared<const std::vector<int32_t>>(std::move(rows));
  }

  const Weight* acting(const Side& side, const std::string& name) {
    const Weight* weight = side.acting(name);
    if (!weight)
      missing_.rows.push_back(str(checkpoint::printable(name), ": not in the ", side.role, " model"));
    return weight;
  }

  void encode(const MeasuredInput& input) {
    const std::string& name = input.difference.name;
    DeltaSettings settings = extraction_.inputs_.settings;
    const DeltaCodec& codec = delta_codec(settings.codec);
    const auto chosen = extraction_.inputs_.ranks.find(name);
    if (chosen != extraction_.inputs_.ranks.end()) {
      settings.rank = chosen->second;
    } else if (codec.settle) {
      codec.settle(input.difference, settings, Workspace(job_));
    }
    const auto encoder = std::make_shared<SharedEncoder>(codec.encode(input.difference, settings));
    const auto& parts = (**encoder).parts();
    for (size_t part = 0; part < parts.size(); ++part)
      add(parts[part].suffix.empty() ? name : name + ":" + parts[part].suffix, parts[part].dtype,
          parts[part].shape, std::make_unique<EncodedPiece>(encoder, part));
    if (is_vocabulary(name) && !extraction_.inputs_.own_rows.empty()) add_own_rows(name);
    if (parts[0].suffix == "left") extraction_.inputs_.ranks.insert_or_assign(name, settings.rank);
    if (input.difference.is_matrix() && !is_vocabulary(name)) {
      const std::string samples = sample_bytes(input);
      add(name + ":base", DType::F32, {static_cast<int64_t>(samples.size() / 4)},
          std::make_unique<MemoryPiece>(samples));
    }
  }

  void add_own_rows(const std::string& name) {
    const auto& rows = extraction_.inputs_.own_rows;
    const Source chat(*chat_.acting(name), std::make_shared<const std::vector<int32_t>>(rows));
    const std::vector<int64_t> numbers(rows.begin(), rows.end());
    add(name + ":own", DType::F32, chat.shape(), std::make_unique<FloatsPiece>(chat));
    add(name + ":own_rows", DType::I64, {static_cast<int64_t>(rows.size())},
        std::make_unique<MemoryPiece>(
            std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof numbers[0])));
  }

  void add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
           std::unique_ptr<Piece> piece) {
    specs_.push_back({name, dtype, shape});
    pieces_.push_back({name, 0, std::move(piece)});
  }

  /// Widest types first, so that readers find everything aligned; but made tensor by tensor, so that what one
  /// part has read the next finds in memory.
  void lay_out() {
    auto plan = checkpoint::plan_summed_file(specs_, metadata());
    std::map<std::string_view, uint64_t> begins;
    for (const auto& info : plan.tensors) begins.emplace(info.name, info.begin);
    for (PlacedPiece& placed : pieces_) placed.at = plan.header.size() + begins.at(placed.name);
    extraction_.output_.files.push_back({kDeltaFileName, plan.header, plan.file_size(), std::move(pieces_)});
  }

  checkpoint::Metadata metadata() const {
    const DeltaSettings& settings = extraction_.inputs_.settings;
    checkpoint::Metadata all = {
        {"format", kDeltaFormat}, {"version", kDeltaVersion}, {"codec", settings.codec}};
    if (settings.codec.starts_with("int")) all.emplace_back("group", std::to_string(settings.group));
    for (const auto& item : extraction_.inputs_.metadata) all.push_back(item);
    return all;
  }

  DeltaExtraction& extraction_;
  Job& job_;
  Side base_, chat_;
  std::vector<TensorSpec> specs_;
  std::vector<PlacedPiece> pieces_;
  Complaint missing_{"ERR_MISSING_TENSOR", "Expected base and chat to have the same tensors",
                     "The chat model must be of the architecture of the base that it was made from."};
  Complaint vocabulary_{"ERR_VOCABULARY", "Expected base and chat to have vocabularies of one size",
                        "Take a chat model with the vocabulary of its base."};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected base and chat to have the same shapes",
                    "The chat model must be of the size of the base that it was made from."};
  Complaint dtypes_{"ERR_DTYPE", "Expected base and chat in BF16, F16, F32 or float8",
                    "Convert quantised or 64-bit weights to bfloat16 first."};
};

DeltaExtraction::DeltaExtraction(DeltaInputs inputs, Job& job)
    : inputs_(std::move(inputs)),
      base_(ModelWeights::open(inputs_.base.folder)),
      chat_(ModelWeights::open(inputs_.chat.folder)) {
  Planner(*this, job).plan();
}

}  // namespace tongueforge::merge
