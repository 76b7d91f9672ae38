// What may be called in a pickle, and with what: the forms that torch writes, and their hostile neighbours.
#include "checkpoint/pickle.h"
#include "fixtures.h"
#include "made_torch.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using namespace std::string_literals;
using checkpoint::PickleKind;
using checkpoint::PickleTree;

namespace {

PickleTree read(const std::string& body) {
  const std::string pickle = pickled(body);
  return checkpoint::read_pickle({pickle.begin(), pickle.end()}, "model.pt", 0);
}

std::string reason(const std::string& body) {
  const Error error = caught([&] { read(body); });
  CHECK(error.code() == "ERR_PICKLE");
  return detail(error, "reason");
}

std::string list(const std::string& items) { return "](" + items + "e"; }
std::string pair(const std::string& key, const std::string& value) { return key + value + "\x86"; }

const std::string kNone = "N", kEmpty = ")", kDict = "}";
const std::string kFour = storage("0", 4);
const std::string kTensor = tensor(kFour, 0, {4}, {1});
const std::string kOrdered = global("collections", "OrderedDict"), kSet = global("builtins", "set"),
                  kDevice = global("torch", "device"), kNamespace = global("argparse", "Namespace"),
                  kParameter = global("torch._utils", "_rebuild_parameter"),
                  kRebuild = global("torch._utils", "_rebuild_tensor_v2"),
                  kTyped = global("torch._utils", "_rebuild_tensor_v3"),
                  kFromType = global("torch._tensor", "_rebuild_from_type_v2"),
                  kTensorClass = global("torch", "Tensor"),
                  kLeftOut = called(global("numpy.core.multiarray", "_reconstruct"), ")");

std::string view(const std::string& more) {
  return kFour + integer(0) + integers({4}) + integers({1}) + more;
}
std::string arguments(const std::string& items) { return "(" + items + "t"; }

}  // namespace

TEST_CASE("pickle calls: containers are made of lists, dicts of pairs") {
  const PickleTree made =
      read(called(kOrdered, tuple({list(pair(text("a"), "K\x01") + pair(text("b"), "K\x02"))})));
  CHECK(made.find(made.root, "a")->bits == 1);
  CHECK(made.find(made.root, "b")->bits == 2);
  const PickleTree set = read(called(kSet, tuple({list("K\x01K\x02")})));
  CHECK(set.root.is(PickleKind::set));
  CHECK(set.items(set.root).size() == 2);
  for (const std::string& callee : {kOrdered, kSet}) {
    CHECK(reason(called(callee, tuple({kNone}))) == "call");
    CHECK(reason(called(callee, tuple({kDict}))) == "call");
    CHECK(reason(called(callee, tuple({list(""), list("")}))) == "call");
  }
  for (const std::string& item : {kNone, kDict, kEmpty, tuple({kNone}), tuple({kNone, kNone, kNone})})
    CHECK(reason(called(kOrdered, tuple({list(item)}))) == "call");
  std::string many;
  for (int i = 0; i < 17; ++i) many += kNone;
  CHECK(reason(called(kSet, arguments(many))) == "arguments");
}

TEST_CASE("pickle calls: a device is its name, a parameter its tensor") {
  const PickleTree device = read(called(kDevice, tuple({text("cuda"), integer(0)})));
  CHECK(device.text(device.root) == "cuda");
  const PickleTree parameter = read(called(kParameter, tuple({kTensor, "\x88", kDict})));
  CHECK(parameter.root.is(PickleKind::tensor));
  for (const std::string& callee : {kDevice, kParameter}) {
    CHECK(reason(called(callee, kEmpty)) == "call");
    CHECK(reason(called(callee, tuple({kNone}))) == "call");
  }
}

TEST_CASE("pickle calls: a tensor has a storage with a dtype, or a dtype of its own") {
  const std::string bytes = storage("0", 16, "UntypedStorage");
  const auto typed = [&](const std::string& dtype) {
    return called(kTyped, tuple({bytes, integer(0), integers({4}), integers({1}), "\x89", kDict, dtype}));
  };
  const PickleTree tree = read(typed(global("torch", "float32")));
  REQUIRE(tree.tensors.size() == 1);
  CHECK(tree.tensors[0].dtype == DType::F32);
  CHECK(tree.tensors[0].num_bytes() == 16);
  CHECK(reason(typed(kNone)) == "call");
  CHECK(reason(typed(global("torch", "float64"))) == "out_of_storage");
  CHECK(reason(tensor(bytes, 0, {4}, {1})) == "call");
  CHECK(reason(called(kTyped, arguments(view("")))) == "call");
  CHECK(reason(called(kRebuild, tuple({kFour, integer(0)}))) == "call");
  CHECK(reason(called(kRebuild, arguments(view("NNNNN")))) == "call");
  CHECK_NOTHROW(read(called(kRebuild, arguments(view("NNN")))));
  CHECK_NOTHROW(read(called(kRebuild, arguments(view("NN}")))));
  CHECK(reason(called(kRebuild, arguments(view("NN" + dict({{"conj", "\x88"}}))))) == "call");
}

TEST_CASE("pickle calls: steps of a view that 64 bits do not hold are outside of its storage") {
  CHECK(reason(tensor(kFour, 0, {4}, {INT64_MAX})) == "out_of_storage");
  CHECK(reason(tensor(kFour, 0, {3, 3}, {INT64_MAX, INT64_MAX})) == "out_of_storage");
}

TEST_CASE("pickle calls: a tensor of a class is a function, its class, arguments and a state") {
  const std::string args = arguments(view("\x89" + called(kOrdered, ")")));
  const PickleTree tree = read(called(kFromType, tuple({kRebuild, kTensorClass, args, kDict})));
  CHECK(tree.root.is(PickleKind::tensor));
  for (const std::string& given :
       {tuple({kRebuild, kTensorClass, args}), tuple({kRebuild, kTensorClass, kNone, kDict}),
        tuple({kRebuild, kNone, args, kDict}), tuple({kRebuild, kRebuild, args, kDict}),
        tuple({kNone, kTensorClass, args, kDict}), tuple({kFromType, kTensorClass, args, kDict})})
    CHECK(reason(called(kFromType, given)) == "call");
}

TEST_CASE("pickle calls: a storage has a text for its key and a size that a disk holds") {
  CHECK(reason(tuple({text("storage"), global("torch", "FloatStorage"), kNone, text("cpu"), integer(1)}) +
               "Q") == "persistent_id");
  CHECK(reason(tuple({text("storage"), kTensorClass, text("0"), text("cpu"), integer(1)}) + "Q") ==
        "persistent_id");
  CHECK(reason(storage("0", (int64_t{1} << 56) + 1)) == "storage_size");
  CHECK_NOTHROW(read(storage("0", int64_t{1} << 56)));
}

TEST_CASE("pickle calls: attributes of a tensor are left out, those of an object are a dict") {
  CHECK(read(kTensor + kDict + "b").root.is(PickleKind::tensor));
  CHECK(reason(called(kNamespace, kEmpty) + kNone + "b") == "state");
}

TEST_CASE("pickle calls: what is done to something that is left out is left out") {
  CHECK(read(kLeftOut + "(" + kNone + "e").root.is(PickleKind::left_out));
  CHECK(read(called(kLeftOut, kEmpty)).root.is(PickleKind::left_out));
}

TEST_CASE("pickle calls: names of globals are short texts") {
  CHECK(reason(kNone + text("x") + "\x93") == "global_name");
  CHECK(reason(text("x") + kNone + "\x93") == "global_name");
  CHECK(reason("c" + std::string(257, 'm') + "\nx\n") == "global_name");
  CHECK(reason("cno line") == "global_name");
}

TEST_CASE("pickle calls: every operation that writes bytes or numbers is read, frames are passed over") {
  const PickleTree tree =
      read("\x95" + little(100, 8) + "(" + "M\x01\x02" + "B" + little(1, 4) + "x" + "\x8e" + little(1, 8) +
           "x" + "\x96" + little(1, 8) + "x" + "\x8a"s + '\0' + "t");
  const auto& items = tree.items(tree.root);
  REQUIRE(items.size() == 5);
  CHECK(items[0].bits == 0x201);
  for (size_t i = 1; i < 4; ++i) CHECK(items[i].is(PickleKind::bytes));
  CHECK(items[4].is(PickleKind::integer));
  CHECK(items[4].bits == 0);
}

TEST_CASE("pickle calls: keys are plain and stand once, in a dict that is met twice, too") {
  const auto keyed = [&](const std::string& key) { return kDict + key + kNone + "s"; };
  for (const std::string& key : {integers({1}), global("torch", "int8"), kLeftOut})
    CHECK_NOTHROW(read(keyed(key)));
  CHECK(reason(keyed(kTensor)) == "key");
  CHECK(reason("}(K\x01NK\x01Nu") == "key_twice");
  const PickleTree shared = read("(" + keyed("K\x01") + "q"s + '\0' + "h"s + '\0' + "t");
  CHECK(shared.items(shared.root)[0].bits == shared.items(shared.root)[1].bits);
}

TEST_CASE("pickle calls: a file of a few bytes a tensor has at most 200,000 of them") {
  const std::string args = arguments(view("")) + "q"s + '\0' + "0", callee = kRebuild + "q\x01" + "0";
  const auto repeated = [&](int times) {
    std::string body = args + callee;
    for (int i = 0; i < times; ++i) body += "h\x01h"s + '\0' + "R0";
    return body + kNone;
  };
  CHECK(read(repeated(200'000)).tensors.size() == 200'000);
  CHECK(reason(repeated(200'001)) == "too_many_tensors");
}

TEST_CASE("pickle calls: a tensor without elements lies in one piece") {
  const PickleTree tree = read(tensor(kFour, 0, {2, 0}, {7, 7}));
  CHECK(tree.tensors.at(0).num_elements() == 0);
  CHECK(tree.tensors.at(0).is_contiguous());
}
