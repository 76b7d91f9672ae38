#include "checkpoint/pickle.h"

#include <string_view>
#include <utility>

#include "checkpoint/json_text.h"
#include "checkpoint/pickle_bytes.h"
#include "checkpoint/pickle_check.h"
#include "checkpoint/pickle_objects.h"
#include "checkpoint/pickle_opcodes.h"
#include "checkpoint/pickle_stack.h"

namespace tongueforge::checkpoint {
namespace {

constexpr const char* kNotAllowedHint =
    "Nothing of the file was run. If you trust it, load it in Python and save the tensors alone: "
    "torch.save(model.state_dict(), FILE).";

[[noreturn]] void refuse_global(std::string_view module, std::string_view name) {
  const std::string shown = printable(str(module, ".", name));
  if (const std::string why = reason_of_refusal(module, name); !why.empty())
    throw PickleFault{"not_converted", str(shown, ": ", why), "Convert it in Python and save it again.",
                      shown};
  throw PickleFault{"global_not_allowed",
                    str("expected tensors and plain containers, received ", shown,
                        ", which is not on the list of what may stand in a checkpoint"),
                    kNotAllowedHint, shown};
}

class Machine {
 public:
  explicit Machine(PickleTree& tree) : tree_(tree), in_({tree.bytes.data(), tree.bytes.size()}) {}

  /// Where the operation stands that was begun last.
  size_t offset() const { return begin_; }

  void run() {
    size_t operations = 0;
    while (!stopped_) {
      begin_ = in_.at();
      if (++operations > kMaxPickleOperations)
        throw PickleFault{"too_many_operations",
                          str("expected at most ", kMaxPickleOperations, " operations")};
      const char code = in_.at_end() && begin_ == 0 ? '\0' : static_cast<char>(in_.number(1));
      if ((begin_ == 0) != (code == op::proto))
        throw PickleFault{"protocol", "expected protocol 2 to 5, told once at the beginning of a pickle"};
      step(code);
    }
    begin_ = in_.at();
    if (!in_.at_end()) throw PickleFault{"bytes_after_end", "expected nothing behind the end of the pickle"};
  }

 private:
  using Kind = PickleKind;

  void step(char code);

  void check_protocol() {
    const uint64_t protocol = in_.number(1);
    if (protocol < 2 || protocol > 5)
      throw PickleFault{"protocol", str("expected protocol 2 to 5, received ", protocol)};
  }

  void push_text(uint64_t length) { stack_.push(tree_.add_text(Kind::text, in_.utf8(length))); }

  void push_bytes(uint64_t length) {
    in_.take(length);
    stack_.push(Kind::bytes);
  }

  void push_long(uint64_t length) {
    if (length <= 8) return stack_.push(Kind::integer, in_.signed_number(length));
    in_.take(length);
    stack_.push(tree_.add_text(Kind::left_out, "int"));  // of the states of generators
  }

  void push_sequence(Kind kind, std::vector<PickleValue> items = {}) {
    stack_.push(tree_.add_sequence(kind, std::move(items)));
  }

  void push_pairs(const std::vector<PickleValue>& items) {
    push_sequence(Kind::dict);
    extend(Kind::dict, items);
  }

  /// Adds to the container on top: `kind` is what it must be.
  void extend(Kind kind, const std::vector<PickleValue>& items) {
    const PickleValue target = stack_.top();
    if (target.is(Kind::left_out)) return;
    if (!target.is(kind)) throw PickleFault{"container", "expected the container that something is added to"};
    if (kind == Kind::dict && items.size() % 2 != 0)
      throw PickleFault{"container", "expected pairs of key and value"};
    auto& all = tree_.items(target);
    all.insert(all.end(), items.begin(), items.end());
  }

  void push_global(std::string_view module, std::string_view name) {
    const AllowedGlobal* global = find_global(module, name);
    if (global == nullptr) refuse_global(module, name);
    if (global->role == GlobalRole::dtype)
      return stack_.push(Kind::dtype, static_cast<int64_t>(*global->dtype));
    tree_.globals.push_back(global);
    stack_.push(Kind::global, static_cast<int64_t>(tree_.globals.size() - 1));
  }

  void push_global_of_lines() {
    const std::string_view module = in_.line(), name = in_.line();
    push_global(module, name);
  }

  void push_global_of_stack() {
    const PickleValue name = stack_.pop(), module = stack_.pop();
    if (!name.is(Kind::text) || !module.is(Kind::text))
      throw PickleFault{"global_name", "expected the name of a global"};
    push_global(tree_.text(module), tree_.text(name));
  }

  void call() {
    const PickleValue arguments = stack_.pop(), callee = stack_.pop();
    if (callee.is(Kind::left_out)) return stack_.push(callee);
    if (!callee.is(Kind::global)) throw PickleFault{"call", "expected a global of the list to be called"};
    stack_.push(call_global(tree_, *tree_.globals[callee.index()], arguments));
  }

  void build_top() {
    const PickleValue state = stack_.pop();
    build(tree_, stack_.top(), state);
  }

  void stop() {
    tree_.root = stack_.last();
    stopped_ = true;
  }

  PickleTree& tree_;
  PickleBytes in_;
  PickleStack stack_;
  size_t begin_ = 0;
  bool stopped_ = false;
};

// One row an operation.
void Machine::step(char code) {
  // clang-format off
  switch (code) {
    case op::proto: return check_protocol();
    case op::frame: in_.take(8); return;
    case op::stop: return stop();
    case op::mark: return stack_.mark();
    case op::pop: stack_.pop(); return;
    case op::pop_mark: stack_.pop_to_mark(); return;
    case op::dup: return stack_.push(stack_.top());
    case op::none: return stack_.push(Kind::none);
    case op::newtrue: return stack_.push(Kind::boolean, 1);
    case op::newfalse: return stack_.push(Kind::boolean, 0);
    case op::binint: return stack_.push(Kind::integer, in_.signed_number(4));
    case op::binint1: return stack_.push(Kind::integer, static_cast<int64_t>(in_.number(1)));
    case op::binint2: return stack_.push(Kind::integer, static_cast<int64_t>(in_.number(2)));
    case op::long1: return push_long(in_.number(1));
    case op::long4: return push_long(in_.number(4));
    case op::binfloat: return stack_.push(Kind::real, in_.real_bits());
    case op::short_binunicode: return push_text(in_.number(1));
    case op::binunicode: return push_text(in_.number(4));
    case op::binunicode8: return push_text(in_.number(8));
    case op::short_binbytes: return push_bytes(in_.number(1));
    case op::binbytes: return push_bytes(in_.number(4));
    case op::binbytes8: return push_bytes(in_.number(8));
    case op::bytearray8: return push_bytes(in_.number(8));
    case op::empty_list: return push_sequence(Kind::list);
    case op::append: return extend(Kind::list, stack_.pop(1));
    case op::appends: return extend(Kind::list, stack_.pop_to_mark());
    case op::list: return push_sequence(Kind::list, stack_.pop_to_mark());
    case op::empty_tuple: return push_sequence(Kind::tuple);
    case op::tuple1: return push_sequence(Kind::tuple, stack_.pop(1));
    case op::tuple2: return push_sequence(Kind::tuple, stack_.pop(2));
    case op::tuple3: return push_sequence(Kind::tuple, stack_.pop(3));
    case op::tuple: return push_sequence(Kind::tuple, stack_.pop_to_mark());
    case op::empty_dict: return push_sequence(Kind::dict);
    case op::setitem: return extend(Kind::dict, stack_.pop(2));
    case op::setitems: return extend(Kind::dict, stack_.pop_to_mark());
    case op::dict: return push_pairs(stack_.pop_to_mark());
    case op::empty_set: return push_sequence(Kind::set);
    case op::additems: return extend(Kind::set, stack_.pop_to_mark());
    case op::frozenset: return push_sequence(Kind::set, stack_.pop_to_mark());
    case op::binget: return stack_.get(in_.number(1));
    case op::long_binget: return stack_.get(in_.number(4));
    case op::binput: return stack_.put(in_.number(1));
    case op::long_binput: return stack_.put(in_.number(4));
    case op::memoize: return stack_.put_next();
    case op::global: return push_global_of_lines();
    case op::stack_global: return push_global_of_stack();
    case op::reduce: return call();
    case op::newobj: return call();
    case op::build: return build_top();
    case op::binpersid: return stack_.push(load_storage(tree_, stack_.pop()));
    default:
      throw PickleFault{"operation", str("expected an operation that torch writes, received byte ",
                                         static_cast<int>(static_cast<unsigned char>(code)))};
  }
  // clang-format on
}

}  // namespace

PickleTree read_pickle(std::vector<char> bytes, const std::string& file, uint64_t offset) {
  PickleTree tree;
  tree.bytes = std::move(bytes);
  Machine machine(tree);
  try {
    machine.run();
    check_tree(tree);
  } catch (const PickleFault& fault) { refuse_pickle(file, offset + machine.offset(), fault); }
  return tree;
}

}  // namespace tongueforge::checkpoint
