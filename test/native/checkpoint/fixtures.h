// Small helpers of the checkpoint and merge tests: temporary folders, hand-made files, caught errors, printed
// seeds.
#pragma once
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "core/error.h"
#include "core/job.h"
#include "doctest.h"

namespace tongueforge::testing {

/// A folder that is gone when the test ends.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tongueforge-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

  /// Names of everything inside, hidden ones included, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  std::filesystem::path path_;
};

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs something that must fail, and hands back how.
inline Error caught(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) { return error; }
  FAIL("expected an error, none came");
  return Error("", "");
}

inline std::string detail(const Error& error, const std::string& key) {
  for (const auto& [name, value] : error.details()) {
    if (name == key) return value;
  }
  return "(no " + key + ")";
}

/// A generator whose seed is printed where a check fails; TONGUEFORGE_SEED repeats a run.
struct Seeded {
  uint64_t seed;
  std::mt19937_64 engine;
  Seeded()
      : seed(std::getenv("TONGUEFORGE_SEED") ? std::strtoull(std::getenv("TONGUEFORGE_SEED"), nullptr, 10)
                                             : std::random_device{}()),
        engine(seed) {}
  uint64_t below(uint64_t bound) { return engine() % bound; }
};

/// A tensor with its bytes, and files made of such.
struct MadeTensor {
  checkpoint::TensorSpec spec;
  std::string bytes;
};

inline std::string make_file_bytes(const std::vector<MadeTensor>& tensors,
                                   const checkpoint::Metadata& metadata = {},
                                   checkpoint::TensorOrder order = checkpoint::TensorOrder::AsGiven) {
  std::vector<checkpoint::TensorSpec> specs;
  for (const MadeTensor& tensor : tensors) specs.push_back(tensor.spec);
  const checkpoint::FilePlan plan = checkpoint::plan_file(specs, metadata, order);
  std::string bytes = plan.header;
  for (const checkpoint::TensorInfo& info : plan.tensors) {
    for (const MadeTensor& tensor : tensors) {
      if (tensor.spec.name == info.name) bytes += tensor.bytes;
    }
  }
  return bytes;
}

/// A model folder, in one file or in shards of at most max_shard_bytes.
inline void make_model(const std::string& folder, const std::vector<MadeTensor>& tensors,
                       uint64_t max_shard_bytes = UINT64_MAX) {
  std::filesystem::create_directories(folder);
  std::vector<checkpoint::TensorSpec> specs;
  for (const MadeTensor& tensor : tensors) specs.push_back(tensor.spec);
  const checkpoint::ShardPlan plan = checkpoint::plan_shards(specs, {{"format", "pt"}}, max_shard_bytes);
  for (const checkpoint::Shard& shard : plan.shards) {
    checkpoint::SafetensorsWriter writer(folder + "/" + shard.file_name, shard.plan);
    for (const checkpoint::TensorInfo& info : shard.plan.tensors) {
      for (const MadeTensor& tensor : tensors) {
        if (tensor.spec.name == info.name) writer.write(info.name, tensor.bytes.data(), tensor.bytes.size());
      }
    }
    writer.finish();
  }
  if (!plan.index_json.empty()) spill(folder + "/model.safetensors.index.json", plan.index_json);
}

/// A job that is cancelled after so many checks.
class CancelAfter final : public Job {
 public:
  explicit CancelAfter(int checks) : left_(checks) {}
  bool cancelled() const override { return left_-- <= 0; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  mutable std::atomic<int> left_;  // work asks from several threads
};

/// A number of a map.
inline double number(const Value& value, const std::string& key) {
  for (const auto& [name, item] : std::get<Value::Map>(value.data)) {
    if (name == key) return std::get<double>(item.data);
  }
  FAIL("no ", key);
  return 0;
}

}  // namespace tongueforge::testing
