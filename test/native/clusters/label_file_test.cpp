#include "clusters/label_file.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "checkpoint/safetensors.h"
#include "clusters/points.h"
#include "core/error.h"
#include "testing.h"

using namespace tongueforge;

namespace {

/// A folder that goes with this object.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("tongueforge-labels-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

const clusters::Centres kCentres({0, 0, 10, 10}, 2);

}  // namespace

TEST_CASE("labels: a tensor an utterance, in any order, every second one where that is asked for") {
  const Folder folder;
  SilentJob job;
  clusters::LabelFile labels(folder.file("labels.safetensors"), {{"a.wav", 3}, {"deep/b.wav", 1}}, 2);
  labels.add("deep/b.wav", std::vector<float>{9, 9, 1, 1}, kCentres, 2, true, job);
  labels.add("a.wav", std::vector<float>{0, 1, 9, 9, 10, 10, 8, 8, 1, 0}, kCentres, 2, true, job);
  labels.finish();
  CHECK(labels.counts() == std::vector<int64_t>{2, 2});
  CHECK(labels.distances() == doctest::Approx(1 + 0 + 1 + 2));
  const auto file = checkpoint::SafetensorsFile::open(folder.file("labels.safetensors"));
  std::vector<int32_t> read(3);
  file.read(*file.find("a.wav"), read.data());
  CHECK(read == std::vector<int32_t>{0, 1, 0});
  CHECK(file.find("deep/b.wav")->shape == std::vector<int64_t>{1});
}

TEST_CASE("labels: more or fewer frames than were told are refused, and so is a file without all of them") {
  const Folder folder;
  SilentJob job;
  clusters::LabelFile labels(folder.file("labels.safetensors"), {{"a.wav", 2}}, 2);
  CHECK_THROWS_WITH_AS(labels.add("a.wav", std::vector<float>{1, 1}, kCentres, 1, true, job),
                       doctest::Contains("a.wav: expected 2 labels, as its head says, received 1"), Error);
  CHECK_THROWS_WITH_AS(labels.add("b.wav", std::vector<float>{1, 1}, kCentres, 1, true, job),
                       doctest::Contains("an utterance that was not announced"), Error);
  CHECK_THROWS_AS(labels.finish(), Error);
}

TEST_CASE("labels: what is held out is labelled and not counted") {
  const Folder folder;
  SilentJob job;
  clusters::LabelFile labels(folder.file("labels.safetensors"), {{"a.wav", 1}}, 2);
  labels.add("a.wav", std::vector<float>{9, 9}, kCentres, 1, false, job);
  labels.finish();
  CHECK(labels.counts() == std::vector<int64_t>{0, 0});
  CHECK(labels.distances() == 0);
  const auto file = checkpoint::SafetensorsFile::open(folder.file("labels.safetensors"));
  int32_t label = -1;
  file.read(*file.find("a.wav"), &label);
  CHECK(label == 1);
}

TEST_CASE("labels: centres come back as they were written, and another file is refused") {
  const Folder folder;
  clusters::write_centres(folder.file("centroids.safetensors"), kCentres);
  const auto read = clusters::read_centres(folder.file("centroids.safetensors"));
  CHECK(read.values() == kCentres.values());
  CHECK(read.width() == 2);
  clusters::LabelFile(folder.file("labels.safetensors"), {{"a.wav", 1}}, 2);
  CHECK_THROWS_WITH_AS(clusters::read_centres(folder.file("labels.safetensors")),
                       doctest::Contains("expected a tensor \"centroids\""), Error);
  const std::vector<checkpoint::TensorSpec> others = {
      {"centroids", DType::F64, {2, 2}}, {"centroids", DType::F32, {4}}, {"centroids", DType::F32, {0, 2}}};
  for (const auto& spec : others) {
    std::filesystem::remove(folder.file("other.safetensors"));
    const std::string zeros(32, '\0');
    checkpoint::SafetensorsWriter writer(folder.file("other.safetensors"), checkpoint::plan_file({spec}, {}));
    writer.write("centroids", zeros.data(), writer.plan().data_bytes);
    writer.finish();
    CHECK_THROWS_WITH_AS(clusters::read_centres(folder.file("other.safetensors")),
                         doctest::Contains("expected a tensor \"centroids\""), Error);
  }
}

TEST_CASE("labels: frames that are no numbers are not gathered") {
  clusters::Points points(2, 0);
  points.add(std::vector<float>{1, 2, 3, 4});
  CHECK(points.count() == 2);
  CHECK_THROWS_WITH_AS(points.add(std::vector<float>{1, 2, 3, INFINITY}),
                       doctest::Contains("received inf in frame 1"), Error);
  CHECK(points.count() == 2);
}
