#include "merge/delta/delta_dense.h"

namespace tongueforge::merge {
namespace {

class Encoder final : public DeltaEncoder {
 public:
  explicit Encoder(const DeltaInput& input) : read_(input.read), parts_{{"", DType::F32, input.shape, 4}} {}

  const std::vector<DeltaPart>& parts() const override { return parts_; }

  void produce(size_t, uint64_t begin, uint64_t end, char* out, const Workspace&) const override {
    read_(begin / 4, (end - begin) / 4, reinterpret_cast<float*>(out));
  }

 private:
  ReadValues read_;
  std::vector<DeltaPart> parts_;
};

class Tensor final : public DeltaTensor {
 public:
  explicit Tensor(const StoredDelta& stored) : file_(*stored.file), info_(stored.at("")) {}

  void read(uint64_t first, uint64_t count, float* out) const override {
    file_.read_range(info_, first * 4, count * 4, out);
  }

 private:
  const checkpoint::SafetensorsFile& file_;
  const checkpoint::TensorInfo& info_;
};

}  // namespace

std::unique_ptr<DeltaEncoder> encode_dense(const DeltaInput& input, const DeltaSettings&) {
  return std::make_unique<Encoder>(input);
}

std::vector<int64_t> shape_of_dense(const StoredDelta& stored) {
  const auto& info = stored.at("");
  if (info.dtype != DType::F32) stored.refuse(str("expected F32, received ", dtype_name(info.dtype)));
  return info.shape;
}

std::unique_ptr<DeltaTensor> decode_dense(const StoredDelta& stored, const std::vector<int64_t>&) {
  return std::make_unique<Tensor>(stored);
}

}  // namespace tongueforge::merge
