// Pickles that must be refused, each for its reason; and that nothing of a file is run, believed or followed
// for ever.
#include <chrono>

#include "checkpoint/pickle.h"
#include "checkpoint/torch_file.h"
#include "fixtures.h"
#include "made_torch.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using namespace std::string_literals;
using checkpoint::PickleKind;
using checkpoint::PickleTree;

namespace {

constexpr uint64_t kOffset = 64;  // where the pickle would stand in its file

PickleTree read(const std::string& pickle) {
  return checkpoint::read_pickle({pickle.begin(), pickle.end()}, "model.pt", kOffset);
}

struct Hostile {
  std::string what, pickle, reason;
};

std::string repeated(const std::string& part, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += part;
  return all;
}

/// Lists that each hold the one before it twice: 2^levels values in a few hundred bytes.
std::string doubling(size_t levels) {
  std::string body = "]q"s + '\0' + "0";
  for (size_t i = 0; i < levels; ++i) {
    const char before = static_cast<char>(i), now = static_cast<char>(i + 1);
    body += "](h"s + before + "h" + before + "eq" + now + "0";
  }
  return pickled(body + "h" + static_cast<char>(levels));
}

/// A list of `items`, copied into a set by every few bytes of the file.
std::string copying(size_t items, size_t times) {
  const std::string list = "](" + repeated("N", items) + "eq"s + '\0' + "0";
  return pickled(list + "]" + repeated(global("builtins", "set") + "h"s + '\0' + "\x85Ra", times));
}

std::vector<Hostile> hostile() {
  const std::string four = storage("0", 4);
  return {
      {"os.system", pickled(called(global("os", "system"), tuple({text("touch owned")}))),
       "global_not_allowed"},
      {"eval", pickled(called(global("builtins", "eval"), tuple({text("1")}))), "global_not_allowed"},
      {"posix.system by the stack", pickled(text("posix") + text("system") + "\x93"), "global_not_allowed"},
      {"a name through an allowed module", pickled(global("torch", "_utils._rebuild_tensor_v2")),
       "global_not_allowed"},
      {"torch.load", pickled(global("torch", "load")), "global_not_allowed"},
      {"the interpreter of old pickles", pickled("(ios\nsystem\n"), "operation"},
      {"an object of a class", pickled("(" + global("collections", "OrderedDict") + "o"), "operation"},
      {"an extension", pickled("\x82\x01"), "operation"},
      {"an id in text", pickled("P1\n"), "operation"},
      {"an out-of-band buffer", pickled("\x97"), "operation"},
      {"a call of a text", pickled(called(text("print"), ")")), "call"},
      {"a call of a dtype", pickled(called(global("torch", "float32"), ")")), "call"},
      {"a call with no tuple", pickled(called(global("collections", "OrderedDict"), "N")), "not_a_tuple"},
      {"a namespace with arguments", pickled(called(global("argparse", "Namespace"), tuple({"N"}))), "call"},
      {"state for a list", pickled("]}b"), "state"},
      {"protocol 0", "(lp0\n.", "protocol"},
      {"protocol 6", "\x80\x06N.", "protocol"},
      {"two protocols", pickled("\x80\x02N"), "protocol"},
      {"nothing", "", "protocol"},
      {"no end", "\x80\x02N", "cut_short"},
      {"a text that is cut", pickled("X\xff\xff\xff\x7f"), "cut_short"},
      {"a text of 2^64 bytes", pickled("\x8d" + std::string(8, '\xff')), "cut_short"},
      {"bytes behind the end", pickled("N") + "N", "bytes_after_end"},
      {"two values at the end", pickled("NN"), "stack"},
      {"an empty stack", pickled("0"), "stack"},
      {"a value below a mark", pickled("N(\x85"), "stack"},
      {"no mark", pickled("t"), "mark"},
      {"pairs with one half", pickled("}(Nu"), "container"},
      {"an item for a dict", pickled("}Na"), "container"},
      {"a memo that is not there", pickled("h\x05"), "memo"},
      {"memo 4,294,967,295", pickled("Nr\xff\xff\xff\xff"), "memo"},
      {"a text that is not UTF-8", pickled("X\x01"s + "\0\0\0"s + "\xff"), "not_utf8"},
      {"a key twice", pickled(dict({{"a", "N"}, {"a", "N"}})), "key_twice"},
      {"a key that is a list", pickled("}]Ns"), "key"},
      {"a list in itself", pickled("]q"s + '\0' + "h"s + '\0' + "a"), "too_deep"},
      {"a depth bomb", pickled(repeated("]", 50'000) + repeated("a", 49'999)), "too_deep"},
      {"a memo bomb", doubling(90), "too_large"},
      {"copies of a long list", copying(100'000, 100), "too_many_items"},
      {"too many containers", pickled(repeated("]0", 600'000) + "N"), "too_many_objects"},
      {"too many operations", pickled(repeated("N0", 1'100'000) + "N"), "too_many_operations"},
      {"a storage that is none", pickled("NQ"), "not_a_tuple"},
      {"a storage by another name", pickled(tuple({text("file"), "N", "N", "N", "N"}) + "Q"),
       "persistent_id"},
      {"a storage of -1 elements", pickled(storage("0", -1)), "not_a_count"},
      {"one storage in two sizes", pickled("(" + storage("0", 4) + storage("0", 5) + "t"), "storage_twice"},
      {"a tensor past its storage", pickled(tensor(four, 1, {4}, {1})), "out_of_storage"},
      {"an offset past the storage", pickled(tensor(four, 5, {0}, {1})), "out_of_storage"},
      {"strides past the storage", pickled(tensor(four, 0, {2, 2}, {3, 1})), "out_of_storage"},
      {"strides that overflow", pickled(tensor(four, 0, {3}, {INT64_MAX})), "out_of_storage"},
      {"a negative stride", pickled(tensor(four, 3, {2}, {-1})), "not_a_count"},
      {"a negative size", pickled(tensor(four, 0, {-1}, {1})), "not_a_count"},
      {"sizes without strides", pickled(tensor(four, 0, {2, 2}, {1})), "strides"},
      {"a shape that overflows", pickled(tensor(four, 0, {INT64_MAX, INT64_MAX}, {0, 0})), "shape_overflow"},
      {"one element, a million times a million", pickled(tensor(four, 0, {1'000'000, 1'000'000}, {0, 0})),
       "expanded"},
      {"65 dimensions", pickled(tensor(four, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))),
       "rank_too_high"},
      {"a tensor of a text", pickled(tensor(text("0"), 0, {1}, {1})), "call"},
      {"complex numbers of 128 bits", pickled(global("torch", "ComplexDoubleStorage")), "not_converted"},
      {"a quantised tensor", pickled(global("torch._utils", "_rebuild_qtensor")), "not_converted"},
  };
}

}  // namespace

TEST_CASE("a hostile pickle is refused with its reason, in under 100 ms") {
  for (const Hostile& one : hostile()) {
    CAPTURE(one.what);
    const auto start = std::chrono::steady_clock::now();
    const Error error = caught([&] { read(one.pickle); });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(error.code() == "ERR_PICKLE");
    CHECK(detail(error, "reason") == one.reason);
    CHECK(detail(error, "file") == "model.pt");
    CHECK(std::stoull(detail(error, "offset")) >= kOffset);
    CHECK(!error.hint().empty());
    WARN(seconds.count() < 0.1);  // a loaded machine may take longer
    CHECK(seconds.count() < 1.0);
  }
}

TEST_CASE("the refusal of a call names what was asked for, where, and what to do") {
  const std::string body = text("fine") + "0";
  const Error error = caught([&] { read(pickled(body + global("os", "system") + "N\x85R")); });
  CHECK(detail(error, "global") == "os.system");
  CHECK(detail(error, "offset") == std::to_string(kOffset + 2 + body.size()));
  CHECK(error.message().find("byte " + std::to_string(kOffset + 2 + body.size())) != std::string::npos);
  CHECK(error.message().find("os.system") != std::string::npos);
  CHECK(error.hint().find("Nothing of the file was run") != std::string::npos);
  CHECK(error.hint().find("state_dict") != std::string::npos);
}

TEST_CASE("plain containers come out as they went in") {
  const PickleTree tree =
      read(pickled(dict({{"list",
                          "](K\x07K\x08"
                          "e"},
                         {"minus", "J\xfe\xff\xff\xff"},
                         {"long", "\x8a\x02\x00\x80"s},
                         {"real", "G\xbf\xe0" + std::string(6, '\0')},
                         {"yes", "\x88"},
                         {"size", called(global("torch", "Size"), tuple({integers({2, 3})}))}})));
  const auto value = [&](const char* key) { return *tree.find(tree.root, key); };
  CHECK(tree.items(value("list")).size() == 2);
  CHECK(tree.items(value("list"))[1].bits == 8);
  CHECK(value("minus").bits == -2);
  CHECK(value("long").bits == -32768);
  CHECK(value("real").real() == -0.5);
  CHECK(value("yes").is(PickleKind::boolean));
  CHECK(tree.items(value("size"))[1].bits == 3);
  CHECK(tree.find(tree.root, "none") == nullptr);
}

TEST_CASE("the attributes of a Namespace are a dict, those of a dict are left out") {
  const std::string made = global("argparse", "Namespace") + ")\x81";
  const PickleTree space = read(pickled(made + dict({{"lr", "K\x01"}}) + "b"));
  CHECK(space.find(space.root, "lr")->bits == 1);
  const PickleTree plain =
      read(pickled(called(global("collections", "OrderedDict"), ")") + dict({{"_metadata", "N"}}) + "b"));
  CHECK(plain.items(plain.root).empty());
}

TEST_CASE("objects of numpy and whole numbers of more than 64 bits are left out by name") {
  const PickleTree tree = read(pickled("(" + called(global("numpy.core.multiarray", "_reconstruct"), ")") +
                                       "Nb" + "\x8a\x09" + std::string(9, '\x7f') + "t"));
  const auto& items = tree.items(tree.root);
  CHECK(items[0].is(PickleKind::left_out));
  CHECK(tree.text(items[0]) == "numpy.core.multiarray");
  CHECK(items[1].is(PickleKind::left_out));
}
