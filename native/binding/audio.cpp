// Sound: files, sampling rates, what a speech model reads.
#include <map>

#include "audio/front_end.h"
#include "audio/resample.h"
#include "audio/wav.h"
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/moved_map.h"

namespace tongueforge::binding {
namespace {

Value describe(const audio::WavHeader& header) {
  return Value::Map{{"rate", header.rate},
                    {"channels", header.channels},
                    {"samples", header.frames},
                    {"remark", header.remark}};
}

/// What is wrong with a file, so that a list of them can be looked at to its end.
Value problem_of(const Error& error) {
  Value::Map details;
  for (const auto& [key, value] : error.details()) details.emplace_back(key, value);
  return Value::Map{{"code", error.code()},
                    {"message", error.message()},
                    {"hint", error.hint()},
                    {"details", std::move(details)}};
}

Value describe_file(const std::string& path) {
  try {
    return describe(audio::WavFile::open(path).header());
  } catch (const Error& error) { return problem_of(error); }
}

audio::Window read_window(const std::string& name) {
  static const std::map<std::string, audio::Window> kWindows = {{"hamming", audio::Window::Hamming},
                                                                {"hann", audio::Window::Hann},
                                                                {"povey", audio::Window::Povey},
                                                                {"rectangular", audio::Window::Rectangular}};
  const auto found = kWindows.find(name);
  if (found == kWindows.end()) throw Error("ERR_INTERNAL", "no such window: " + name);
  return found->second;
}

audio::FilterbankOptions read_bank(const Options& options, int64_t rate) {
  return {.rate = rate,
          .bins = options.integer("bins"),
          .frame_length_ms = options.number("frame_length_ms"),
          .frame_shift_ms = options.number("frame_shift_ms"),
          .preemphasis = options.number("preemphasis"),
          .window = read_window(options.text("window")),
          .dither = options.number("dither"),
          .seed = static_cast<uint64_t>(options.integer("seed")),
          .low_frequency = options.number("low_frequency"),
          .high_frequency = options.number("high_frequency")};
}

audio::FrontEndOptions read_front_end(const Options& options) {
  audio::FrontEndOptions front_end;
  front_end.rate = options.integer("rate");
  front_end.normalised = options.flag("normalize");
  if (!options.has("bank")) return front_end;
  front_end.bank = read_bank(options.object("bank"), front_end.rate);
  front_end.mean = options.float32s("mean");
  front_end.deviation = options.float32s("std");
  front_end.stacked = options.integer("stacked");
  return front_end;
}

std::shared_ptr<audio::FrontEnd> front_end_of(const Options& options) {
  return unwrap<audio::FrontEnd>(options.value("front_end"));
}

Value::List numbers(const std::vector<double>& values) { return {values.begin(), values.end()}; }

}  // namespace

// describeSounds({paths}, on_event): ({rate, channels, samples, remark} | {code, message, hint, details})[]
Napi::Value describe_sounds(const Napi::CallbackInfo& info) {
  return start_job(info, [paths = Options(info[0]).texts("paths")](Job& job) -> Value {
    Value::List all;
    for (const auto& path : paths) {
      job.check();
      all.push_back(describe_file(path));
      job.progress(Value::Map{{"done", all.size()}, {"total", paths.size()}});
    }
    return all;
  });
}

// readSound({path, first, count?}, on_event): {rate, channels, samples: Float32 ArrayBuffer, remark}
Napi::Value read_sound(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const int64_t count = options.has("count") ? options.integer("count") : -1;
  return start_job(info,
                   [path = options.text("path"), first = options.integer("first"), count](Job& job) -> Value {
                     const auto file = audio::WavFile::open(path);
                     const auto& header = file.header();
                     return moved_map("rate", header.rate, "channels", header.channels, "samples",
                                      file.read(first, count < 0 ? header.frames - first : count, job),
                                      "remark", header.remark);
                   });
}

// resample({samples: Float32Array, from, to}, on_event): {samples: Float32 ArrayBuffer}
Napi::Value resample(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [samples = options.float32s("samples"), from = options.integer("from"),
                    to = options.integer("to")](Job& job) -> Value {
                     return moved_map("samples", audio::Resampler(from, to).apply(samples, job));
                   });
}

// makeFrontEnd({rate, normalize?, bank?: {bins, frame_length_ms, ...}, mean?, std?, stacked?}, on_event):
// Handle
Napi::Value make_front_end(const Napi::CallbackInfo& info) {
  return start_job(info, [settings = read_front_end(Options(info[0]))](Job&) -> Value {
    return std::make_shared<audio::FrontEnd>(settings);
  });
}

// hearSound({front_end, samples: Float32Array, rate}, on_event): {data: Float32 ArrayBuffer, width}
Napi::Value hear_sound(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [front_end = front_end_of(options), samples = options.float32s("samples"),
                    rate = options.integer("rate")](Job& job) -> Value {
                     auto sound = front_end->sound(samples, rate, job);
                     return moved_map("data", std::move(sound.data), "width", sound.width);
                   });
}

// soundMoments({front_end, samples: Float32Array, rate}, on_event): {count, means, squares}
Napi::Value sound_moments(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [front_end = front_end_of(options), samples = options.float32s("samples"),
                    rate = options.integer("rate")](Job& job) -> Value {
                     const auto moments = front_end->moments(samples, rate, job);
                     return Value::Map{{"count", moments.count},
                                       {"means", numbers(moments.means)},
                                       {"squares", numbers(moments.squares)}};
                   });
}

}  // namespace tongueforge::binding
