#include "common/sqlite/batch_writer.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace slicelet::sqlite {
namespace {

struct Item {
  BatchWriter::Write write;
  StatusCallback done;
  absl::Status result;
};

// One write inside the shared transaction.
absl::Status WriteOne(Database& database, const BatchWriter::Write& write) {
  SLICELET_RETURN_IF_ERROR(database.Execute("SAVEPOINT one"));
  const absl::Status status = write(database);
  if (status.ok()) return database.Execute("RELEASE one");
  // After some errors (disk full) SQLite has already rolled back everything.
  if (database.in_transaction()) {
    SLICELET_RETURN_IF_ERROR(database.Execute("ROLLBACK TO one; RELEASE one"));
  }
  return status;
}

absl::Status WriteAll(Database& database, std::vector<Item>& items) {
  SLICELET_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  for (Item& item : items) {
    item.result = WriteOne(database, item.write);
    if (!database.in_transaction()) return item.result;
  }
  const absl::Status status = database.Execute("COMMIT");
  // Nothing to do about a rollback that fails: the transaction is over either way, or BEGIN will say so.
  if (!status.ok() && database.in_transaction()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

struct BatchWriter::Shared {
  explicit Shared(std::unique_ptr<Database> opened) : database(std::move(opened)) {}

  void Run(const std::function<void(std::vector<Item>)>& deliver) {
    while (true) {
      std::vector<Item> items;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        items.swap(queue);
      }
      const absl::Status status = WriteAll(*database, items);
      if (!status.ok()) {
        for (Item& item : items) item.result = status;
      }
      deliver(std::move(items));
    }
  }

  std::unique_ptr<Database> database;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<Item> queue;
  bool stopping = false;
  std::thread thread;
};

BatchWriter::BatchWriter(std::unique_ptr<Database> database, Loop& loop, const std::string& name)
    : shared_(std::make_unique<Shared>(std::move(database))) {
  // The guard is made here, on the loop's thread, and runs only there.
  auto finish =
      std::make_shared<std::function<void(std::vector<Item>&)>>(lifetime_.Guard([](std::vector<Item>& items) {
        for (Item& item : items) item.done(item.result);
      }));
  shared_->thread = std::thread([shared = shared_.get(), &loop, finish] {
    shared->Run([&loop, &finish](std::vector<Item> items) {
      loop.Post(
          [finish, items = std::make_shared<std::vector<Item>>(std::move(items))] { (*finish)(*items); });
    });
  });
  pthread_setname_np(shared_->thread.native_handle(), name.substr(0, 15).c_str());
}

BatchWriter::~BatchWriter() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->wake.notify_one();
  shared_->thread.join();
}

void BatchWriter::Submit(Write write, StatusCallback done) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->queue.push_back({std::move(write), std::move(done), absl::OkStatus()});
  }
  shared_->wake.notify_one();
}

}  // namespace slicelet::sqlite
