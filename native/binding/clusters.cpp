// K-means over frames, and the labels that come of it.
#include "clusters/kmeans.h"

#include "binding/exports.h"
#include "binding/handle.h"
#include "clusters/label_file.h"
#include "clusters/nearest.h"
#include "clusters/points.h"

namespace tongueforge::binding {
namespace {

clusters::KMeansOptions read_k_means(const Options& options) {
  return {.clusters = options.integer("clusters"),
          .start_points = options.integer("start_points"),
          .batches = options.integer("batches"),
          .batch_size = options.integer("batch_size"),
          .full_steps = options.integer("full_steps"),
          .seed = static_cast<uint64_t>(options.integer("seed"))};
}

std::vector<clusters::LabelCount> read_label_counts(const Options& options) {
  const auto names = options.texts("names");
  const auto labels = options.int32s("labels");
  std::vector<clusters::LabelCount> counts;
  for (size_t i = 0; i < names.size(); i++) counts.push_back({names[i], labels.at(i)});
  return counts;
}

template <class Number>
Value::List list_of(const std::vector<Number>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

// makePoints({width, expected}, on_event): Handle
Napi::Value make_points(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [width = options.integer("width"), expected = options.integer("expected")](Job&) -> Value {
                     return std::make_shared<clusters::Points>(width, expected);
                   });
}

// addPoints({points, frames: Float32Array}, on_event): {count}
Napi::Value add_points(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [points = unwrap<clusters::Points>(options.value("points")),
                    frames = options.float32s("frames")](Job&) -> Value {
                     points->add(frames);
                     return Value::Map{{"count", points->count()}};
                   });
}

// kMeans({points, clusters, start_points, batches, batch_size, full_steps, seed, path}, on_event): {inertia,
// course, counts, reseeded}; writes the centres to path
Napi::Value k_means(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [points = unwrap<clusters::Points>(options.value("points")),
                    settings = read_k_means(options), path = options.text("path")](Job& job) -> Value {
                     const auto found = clusters::k_means(points->values(), points->width(), settings, job);
                     clusters::write_centres(path, clusters::Centres(found.centres, points->width()));
                     return Value::Map{{"inertia", found.inertia},
                                       {"course", list_of(found.course)},
                                       {"counts", list_of(found.counts)},
                                       {"reseeded", found.reseeded}};
                   });
}

// loadCentres({path}, on_event): {centres: Handle, clusters, width}
Napi::Value load_centres(const Napi::CallbackInfo& info) {
  return start_job(info, [path = Options(info[0]).text("path")](Job&) -> Value {
    const auto centres = std::make_shared<clusters::Centres>(clusters::read_centres(path));
    return Value::Map{{"centres", centres}, {"clusters", centres->count()}, {"width", centres->width()}};
  });
}

// makeLabels({path, names, labels: Int32Array, clusters}, on_event): Handle; `labels`: how many of each name
Napi::Value make_labels(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [path = options.text("path"), counts = read_label_counts(options),
                    clusters = options.integer("clusters")](Job&) -> Value {
                     return std::make_shared<clusters::LabelFile>(path, counts, clusters);
                   });
}

// addLabels({labels, centres, name, frames: Float32Array, stride, counted}, on_event): void
Napi::Value add_labels(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [labels = unwrap<clusters::LabelFile>(options.value("labels")),
       centres = unwrap<clusters::Centres>(options.value("centres")), name = options.text("name"),
       frames = options.float32s("frames"), stride = options.integer("stride"),
       counted = options.flag("counted")](Job& job) -> Value {
        labels->add(name, frames, *centres, stride, counted, job);
        return {};
      });
}

// finishLabels({labels}, on_event): {counts, distances}
Napi::Value finish_labels(const Napi::CallbackInfo& info) {
  return start_job(
      info, [labels = unwrap<clusters::LabelFile>(Options(info[0]).value("labels"))](Job&) -> Value {
        labels->finish();
        return Value::Map{{"counts", list_of(labels->counts())}, {"distances", labels->distances()}};
      });
}

}  // namespace tongueforge::binding
