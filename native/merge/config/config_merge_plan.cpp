// The first half of a merge: headers in; problems, or files laid out with a piece for each tensor, out.
#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/json_text.h"
#include "checkpoint/safetensors_writer.h"
#include "merge/complaint.h"
#include "merge/config/config_merge.h"
#include "merge/config/passed_piece.h"
#include "merge/graft/graft_kernel.h"

namespace tongueforge::merge {
namespace {

using checkpoint::printable;

/// An output tensor as far as it is planned.
struct Planned {
  const OutputTensorOptions* options;
  MergedTensor tensor;
  std::vector<ModelTensor> found;  // of its inputs
};

std::string where(const TensorOrigin& origin, const MergeModel& model) {
  return str(printable(origin.tensor), " in ", model.folder());
}

}  // namespace

class ConfigMerge::Planner {
 public:
  Planner(ConfigMerge& merge, const ConfigMergeOptions& options)
      : merge_(merge),
        options_(options),
        method_(method_named(options.method)),
        draws_(std::make_shared<MergeDraws>(options.seed, options.compat)) {}

  void plan() {
    merge_.identity_ = str("merge, tongueforge ", TONGUEFORGE_VERSION, '\n', options_.settings, '\n');
    for (const MergeModelOptions& model : options_.models) open(model);
    std::vector<Planned> all;
    for (const OutputTensorOptions& tensor : options_.tensors)
      if (auto planned = plan_tensor(tensor)) all.push_back(std::move(*planned));
    for (const Complaint* complaint : {&missing_, &shapes_, &dtypes_})
      if (!complaint->rows.empty()) merge_.problems_.push_back(complaint->to_error());
    if (!merge_.problems_.empty()) return;
    place_draws(all);
    lay_out(all);
    merge_.num_tensors_ = all.size();
  }

 private:
  void open(const MergeModelOptions& model) {
    merge_.models_.emplace_back(model);
    merge_.identity_ += merge_.models_.back().identity();
    for (const Error& problem : merge_.models_.back().problems()) merge_.problems_.push_back(problem);
  }

  std::optional<Planned> plan_tensor(const OutputTensorOptions& tensor) {
    Planned planned{&tensor, {}, {}};
    MergedTensor& merged = planned.tensor;
    merged.name = tensor.name;
    merged.parameters = tensor.parameters;
    merged.input_parameters = tensor.input_parameters;
    const auto dtype = dtype_from_name(tensor.dtype);
    if (!dtype || !graft_supports(*dtype)) {
      dtypes_.rows.push_back(str(printable(tensor.name), ": ", tensor.dtype, " in the result"));
      return std::nullopt;
    }
    merged.dtype = *dtype;
    if (!tensor.working_dtype.empty()) merged.working_dtype = dtype_from_name(tensor.working_dtype);
    const auto stand_ins = stand_ins_of(tensor);
    for (const TensorOrigin& origin : tensor.inputs) {
      auto input = input_of(origin, tensor, stand_ins, planned);
      if (!input) return std::nullopt;
      merged.inputs.push_back(std::move(*input));
    }
    if (tensor.base) {
      merged.base = input_of(*tensor.base, tensor, stand_ins, planned);
      if (!merged.base) return std::nullopt;
    }
    check_shapes(tensor, merged);
    check_lenders(tensor, merged.inputs.front().shape());
    return planned;
  }

  std::optional<MergeInput> input_of(const TensorOrigin& origin, const OutputTensorOptions& tensor,
                                     const std::shared_ptr<const StandIns>& stand_ins, Planned& planned) {
    const MergeModel& model = merge_.models_.at(origin.model);
    const auto found = model.find(origin.tensor);
    if (!found) {
      missing_.rows.push_back(where(origin, model));
      return std::nullopt;
    }
    if (!graft_reads(found->weight.dtype())) {
      dtypes_.rows.push_back(str(where(origin, model), ": ", dtype_name(found->weight.dtype())));
      return std::nullopt;
    }
    planned.found.push_back(*found);
    const RowMap rows = tensor.row_tensors.empty() ? nullptr : options_.rows->maps.at(origin.model);
    MergeInput input(*found, rows, stand_ins, dtype_from_name(tensor.working_dtype));
    merge_.bytes_to_read_ += input.bytes_to_read();
    return input;
  }

  std::shared_ptr<const StandIns> stand_ins_of(const OutputTensorOptions& tensor) {
    if (tensor.row_tensors.empty()) return nullptr;
    std::vector<ModelTensor> tensors;
    for (size_t i = 0; i < tensor.row_tensors.size(); ++i)
      tensors.push_back(merge_.models_.at(i).find(tensor.row_tensors[i]).value_or(ModelTensor{}));
    return std::make_shared<StandIns>(options_.rows->stand_ins, std::move(tensors));
  }

  // With rows in their places all models must have the same shape.
  void check_shapes(const OutputTensorOptions& tensor, const MergedTensor& merged) {
    const auto& expected = merged.inputs.front().shape();
    const auto compare = [&](const TensorOrigin& origin, const MergeInput& input) {
      if (input.shape() != expected)
        complain_of_shapes(tensor.inputs.front(), expected, origin, input.shape());
    };
    for (size_t i = 1; i < merged.inputs.size(); ++i) compare(tensor.inputs[i], merged.inputs[i]);
    if (merged.base) compare(*tensor.base, *merged.base);
  }

  // Models that are not merged into the tensor and only lend it rows: those may be fewer or more, but of the
  // same size.
  void check_lenders(const OutputTensorOptions& tensor, const std::vector<int64_t>& expected) {
    for (const TensorOrigin& origin : lenders_of(tensor)) {
      const auto found = model_of(origin).find(origin.tensor);
      if (!found) {
        missing_.rows.push_back(where(origin, model_of(origin)));
        continue;
      }
      const DType dtype = found->weight.dtype();
      if (!graft_reads(dtype))
        dtypes_.rows.push_back(str(where(origin, model_of(origin)), ": ", dtype_name(dtype)));
      const auto& shape = found->weight.shape();
      if (shape.empty() || !std::equal(shape.begin() + 1, shape.end(), expected.begin() + 1, expected.end()))
        complain_of_shapes(tensor.inputs.front(), expected, origin, shape);
    }
  }

  std::vector<TensorOrigin> lenders_of(const OutputTensorOptions& tensor) const {
    if (tensor.row_tensors.empty()) return {};
    const auto& owners = options_.rows->stand_ins->owner_models;
    std::set<int32_t> models(owners.begin(), owners.end());
    for (const TensorOrigin& origin : tensor.inputs) models.erase(static_cast<int32_t>(origin.model));
    if (tensor.base) models.erase(static_cast<int32_t>(tensor.base->model));
    std::vector<TensorOrigin> lenders;
    for (const int32_t model : models) {
      const auto at = static_cast<size_t>(model);
      lenders.push_back({at, tensor.row_tensors[at]});
    }
    return lenders;
  }

  void complain_of_shapes(const TensorOrigin& first, const std::vector<int64_t>& expected,
                          const TensorOrigin& other, const std::vector<int64_t>& shape) {
    shapes_.rows.push_back(str(where(first, model_of(first)), ": ", shape_text(expected), "; ",
                               where(other, model_of(other)), ": ", shape_text(shape)));
  }

  const MergeModel& model_of(const TensorOrigin& origin) const { return merge_.models_[origin.model]; }

  /// mergekit draws for one tensor after the other, by name.
  void place_draws(std::vector<Planned>& all) {
    if (!method_.draws || !options_.compat) return;
    std::vector<MergedTensor*> by_name;
    for (Planned& planned : all) by_name.push_back(&planned.tensor);
    std::sort(by_name.begin(), by_name.end(),
              [](const MergedTensor* a, const MergedTensor* b) { return a->name < b->name; });
    uint64_t position = 0;
    for (MergedTensor* tensor : by_name) {
      tensor->draws_begin = position;
      std::vector<MethodInput> inputs;
      for (const Parameters& parameters : tensor->input_parameters) inputs.push_back({nullptr, parameters});
      position += draws_needed(method_, inputs, tensor->inputs.front().num_elements());
    }
  }

  void lay_out(std::vector<Planned>& all) {
    std::vector<checkpoint::TensorSpec> specs;
    std::map<std::string, Planned*> by_name;
    for (Planned& planned : all) {
      const MergedTensor& tensor = planned.tensor;
      specs.push_back({tensor.name, tensor.dtype, tensor.inputs.front().shape()});
      by_name[tensor.name] = &planned;
    }
    auto plan = checkpoint::plan_shards(specs, {{"format", "pt"}}, options_.max_shard_bytes);
    for (auto& [file_name, file_plan] : plan.shards) {
      StreamFile file{file_name, std::move(file_plan.header), 0, {}};
      file.size = file.header.size() + file_plan.data_bytes;
      for (const auto& info : file_plan.tensors)
        file.pieces.push_back({info.name, file.header.size() + info.begin, piece_of(*by_name[info.name])});
      merge_.output_.files.push_back(std::move(file));
    }
    merge_.output_.index_json = plan.index_json;
  }

  std::unique_ptr<Piece> piece_of(Planned& planned) {
    if (is_copy(planned)) {
      ++merge_.tensors_copied_;
      return std::make_unique<PassedPiece>(planned.found.front().weight);
    }
    return std::make_unique<MergedPiece>(method_, std::move(planned.tensor), draws_);
  }

  /// A tensor that is passed through as it is keeps its bytes, whatever they are.
  bool is_copy(const Planned& planned) const {
    const auto& [options, tensor, found] = planned;
    return options_.method == "passthrough" && tensor.inputs.front().dtype() == tensor.dtype &&
           tensor.input_parameters.front().get("scale", 1) == 1 && !tensor.inputs.front().by_rows() &&
           (!tensor.working_dtype || *tensor.working_dtype == tensor.dtype);
  }

  ConfigMerge& merge_;
  const ConfigMergeOptions& options_;
  const Method& method_;
  std::shared_ptr<MergeDraws> draws_;
  Complaint missing_{"ERR_MISSING_TENSOR", "Expected tensors that are not there",
                     "Is the download complete, and do config.json and weights belong together?"};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected tensors of one shape",
                    "Only models of one size can be merged; unequal vocabularies need a tokenizer section."};
  Complaint dtypes_{
      "ERR_DTYPE", "Expected floats of 8, 16 or 32 bits, and 16 or 32 in the result",
      "Convert quantised or 64-bit weights first; out_dtype: bfloat16 says the dtype of the result."};
};

ConfigMerge::ConfigMerge(const ConfigMergeOptions& options) { Planner(*this, options).plan(); }

}  // namespace tongueforge::merge
