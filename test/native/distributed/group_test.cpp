// Processes are threads here; test/verbs/train_together.test.mjs has real ones, and kills them.
#include "distributed/group.h"

#include <future>

#include "core/error.h"
#include "distributed/ranks.h"
#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;
using namespace tongueforge::test;
using distributed::Group;

namespace {

// What a rank that does not come to its end throws.
Error failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) { return error; }
  return Error("NONE", "nothing was thrown");
}

}  // namespace

TEST_CASE("a sum over processes is the same bits in each; all have what each gathers, and what one gives") {
  std::vector<at::Tensor> sums(3);
  in_group(3, [&](const std::shared_ptr<Group>& group) {
    SilentJob job;
    const auto rank = group->rank();
    auto random = at::detail::createCPUGenerator(static_cast<uint64_t>(rank));
    const auto tensor = at::empty({1001}).normal_(0, 1, random);
    group->wait(group->all_reduce(tensor), job);
    sums[static_cast<size_t>(rank)] = tensor;

    const std::vector<at::Tensor> pieces = {at::empty({4}), at::empty({4}), at::empty({4})};
    group->wait(group->all_gather(pieces, at::full({4}, rank + 1.0f)), job);
    for (int i = 0; i < 3; i++) CHECK(pieces[static_cast<size_t>(i)].equal(at::full({4}, i + 1.0f)));

    const auto box = at::full({5}, static_cast<float>(rank));
    group->wait(group->broadcast(box, 2), job);
    CHECK(box.equal(at::full({5}, 2.0f)));
  });
  CHECK(sums[0].equal(sums[1]));
  CHECK(sums[0].equal(sums[2]));
  CHECK(sums[0].abs().max().item<double>() > 1);
}

TEST_CASE("figures are summed by name to the last bit, whoever has them and however many they are") {
  for (const int more : {0, 100}) {
    in_group(2, [&](const std::shared_ptr<Group>& group) {
      SilentJob job;
      const bool first = group->rank() == 0;
      std::map<std::string, double> own = {{"both", first ? 0.1 : 1e-17}, {first ? "mine" : "other's", 3}};
      for (int i = 0; i < more; i++) own[str("a name that takes room ", i)] = i;
      const auto sum = group->sum(own, job);
      CHECK(sum.at("both") == 0.1 + 1e-17);
      CHECK(sum.at("mine") == 3);
      CHECK(sum.at("other's") == 3);
      CHECK(sum.size() == static_cast<size_t>(3 + more));
      if (more > 0) CHECK(sum.at("a name that takes room 99") == 198);
    });
  }
}

TEST_CASE(
    "a message waits for its reader, and a reader for its message, longer than the time-out of others") {
  in_group(
      2,
      [](const std::shared_ptr<Group>& group) {
        SilentJob job;
        if (group->rank() == 0) {
          group->post("early", "first words");
          std::this_thread::sleep_for(std::chrono::milliseconds(9000));
          group->post("late", std::string(100000, 'x'));
        } else {
          CHECK(group->await_post("early", 0, job) == "first words");
          CHECK(group->await_post("late", 0, job).size() == 100000);
        }
      },
      /*timeout_ms=*/8000);
}

TEST_CASE("a process that has failed is named with its failure by those that wait for it, at once") {
  const int port = free_port();
  std::vector<Error> told(3, Error("NONE", ""));
  const auto began = std::chrono::steady_clock::now();
  for_each_rank(3, [&](int rank) {
    SilentJob job;
    const auto group = Group::join(rank_of(rank, 3, port), job);
    if (rank == 1) {
      const Error own("ERR_DATA", "line 7 is no text");
      return group->leave(&own);
    }
    const auto error = failure_of([&] { group->wait(group->all_reduce(at::ones({3})), job); });
    told[static_cast<size_t>(rank)] = error;
    group->leave(&error);
  });
  for (const int rank : {0, 2}) {
    const auto& error = told[static_cast<size_t>(rank)];
    CHECK(error.code() == "ERR_DISTRIBUTED");
    CHECK(error.message().find("rank 1 (") != std::string::npos);
    CHECK(error.message().find("has ended with ERR_DATA: line 7 is no text") != std::string::npos);
    CHECK(error.message().find("rank 0 (") == std::string::npos);
    CHECK(error.hint().find("--resume") != std::string::npos);
    CHECK(error.details().front() == std::pair<std::string, std::string>("ranks", "1"));
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("a process that lives but does not come is named after the time-out") {
  const int port = free_port();
  Error told("NONE", "");
  for_each_rank(2, [&](int rank) {
    SilentJob job;
    const auto group = Group::join(rank_of(rank, 2, port, 1000), job);
    if (rank == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(6000));
      return group->leave(nullptr);
    }
    told = failure_of([&] { group->wait(group->all_reduce(at::ones({3})), job); });
    group->leave(&told);
  });
  CHECK(told.code() == "ERR_DISTRIBUTED");
  CHECK(told.message().find("lives, but has not come to collective 1 within 1 s") != std::string::npos);
}

TEST_CASE("waiting for others ends when the job is cancelled, whether they wait as well or have gone") {
  struct CancelledJob final : public Job {
    bool cancelled() const override { return true; }
    void progress(Value) override {}
    void emit(Value) override {}
  };
  for (const bool other_goes : {false, true}) {
    const int port = free_port();
    std::promise<void> over;
    for_each_rank(2, [&](int rank) {
      SilentJob job;
      const CancelledJob cancelled;
      const auto group = Group::join(rank_of(rank, 2, port, 3000), job);
      if (rank == 1) {
        if (!other_goes) over.get_future().wait();
        return group->leave(nullptr);
      }
      if (other_goes) std::this_thread::sleep_for(std::chrono::milliseconds(500));
      const auto pending = group->broadcast(at::ones({3}), 1);
      CHECK_THROWS_AS(group->wait(pending, cancelled), Cancelled);
      CHECK_THROWS_AS(group->await_post("nothing", 1, cancelled), Cancelled);
      over.set_value();
      group->leave(nullptr);
    });
  }
}

TEST_CASE("ranks that never come are named; so are a port that is taken, and a store that nobody serves") {
  SilentJob job;
  const int port = free_port();
  for_each_rank(3, [&](int rank) {
    if (rank == 1) return;
    const auto error = failure_of([&] { Group::join(rank_of(rank, 3, port, 3000), job); });
    CHECK(error.code() == "ERR_DISTRIBUTED");
    CHECK(error.message().find("rank 1 has not come within 3 s") != std::string::npos);
    CHECK(error.hint().find("timeout_seconds") != std::string::npos);
  });
  const auto nobody = failure_of([&] { Group::join(rank_of(1, 2, free_port(), 300), job); });
  CHECK(nobody.message().find("Expected rank 0 to serve 127.0.0.1:") == 0);

  const int held = free_port();  // the other one may still be kept by connections that have just been closed
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(held));
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(listen(listener, 1) == 0);
  const auto taken = failure_of([&] { Group::join(rank_of(0, 2, held, 300), job); });
  close(listener);
  CHECK(taken.code() == "ERR_DISTRIBUTED");
  CHECK(taken.message().find("Expected a free port") == 0);
  CHECK(taken.message().find("address already in use") != std::string::npos);
  CHECK(taken.hint().find("MASTER_PORT") != std::string::npos);
}

TEST_CASE("two processes of one rank, or of worlds of different sizes, do not train together") {
  SilentJob job;
  const int port = free_port();
  std::vector<std::string> told(2);
  for_each_rank(2, [&](int i) {
    auto options = rank_of(0, 2, port, 3000);
    options.serves_store = i == 0;
    told[static_cast<size_t>(i)] = failure_of([&] { Group::join(options, job); }).message();
  });
  CHECK((told[0] + told[1]).find("Expected one process of rank 0, and there are two") != std::string::npos);

  const int other = free_port();
  std::vector<std::string> sizes(2);
  for_each_rank(2, [&](int rank) {
    const auto error = failure_of([&] { Group::join(rank_of(rank, 2 + rank, other, 3000), job); });
    sizes[static_cast<size_t>(rank)] = error.message();
  });
  CHECK((sizes[0] + sizes[1]).find("and rank 1 was told of 3") != std::string::npos);
}
