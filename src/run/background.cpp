// SPDX-License-Identifier: MIT
// The background tasks of a graph.
#include "run/background.hpp"

#include <algorithm>
#include <utility>

#include <asio/execution_context.hpp>
#include <asio/query.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/run/background.hpp>

#include "async/serial.hpp"

namespace agentflow::detail {
namespace {

void add(BackgroundStats& to, const BackgroundStats& more) noexcept {
  to.started += more.started;
  to.completed += more.completed;
  to.failed += more.failed;
  to.timed_out += more.timed_out;
  to.cancelled += more.cancelled;
  to.running += more.running;
}

}  // namespace

/// A manager, until its context or its graph goes.
struct Background::Slot {
  explicit Slot(asio::execution_context& c) : context(&c) {}
  std::shared_ptr<BackgroundTaskManager> get() const {
    std::lock_guard lock(mutex);
    return manager;
  }
  std::shared_ptr<BackgroundTaskManager> take() {
    std::lock_guard lock(mutex);
    return std::exchange(manager, nullptr);
  }
  asio::execution_context* const context;  // only to be compared
  mutable std::mutex mutex;
  std::shared_ptr<BackgroundTaskManager> manager;
};

/// Tells the slots of a context that it goes.
class Background::Service : public asio::execution_context::service {
 public:
  using key_type = Service;
  static asio::execution_context::id id;
  explicit Service(asio::execution_context& context) : service(context) {}
  void shutdown() override {
    for (const auto& slot : slots_) slot->take();
  }
  void add(std::shared_ptr<Slot> slot) {
    std::lock_guard lock(mutex_);
    std::erase_if(slots_, [](const auto& s) { return s->get() == nullptr; });
    slots_.push_back(std::move(slot));
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Slot>> slots_;
};
asio::execution_context::id Background::Service::id;

Background::~Background() {
  for (const auto& slot : slots_) slot->take();
}

std::vector<std::shared_ptr<Background::Slot>> Background::slots() const {
  std::lock_guard lock(mutex_);
  return slots_;
}

std::size_t Background::count() const noexcept {
  std::lock_guard lock(mutex_);
  return slots_.size();
}

std::shared_ptr<Background::Slot> Background::slot_for(const asio::any_io_executor& ex) {
  asio::execution_context& context = asio::query(ex, asio::execution::context);
  std::lock_guard lock(mutex_);
  if (closed_) throw graph_closed_error(errc::graph_closed, "the graph is closed: it takes no background tasks");
  std::erase_if(slots_, [](const auto& s) { return s->get() == nullptr; });
  for (const auto& s : slots_)
    if (s->context == &context) return s;
  auto slot = std::make_shared<Slot>(context);
  slot->manager = std::make_shared<BackgroundTaskManager>(
      without_strand(ex), BackgroundOptions().logger(logger_).join_timeout(std::chrono::milliseconds(250)));
  asio::use_service<Service>(context).add(slot);
  slots_.push_back(slot);
  empty_ = false;
  return slot;
}

void Background::spawn(const asio::any_io_executor& ex, std::string name, asio::awaitable<void> work,
                       std::optional<std::chrono::nanoseconds> limit) {
  if (const auto manager = slot_for(ex)->get()) manager->spawn(std::move(name), std::move(work), limit);
}

std::size_t Background::running() const { return stats().running; }

std::size_t Background::running_on(const asio::any_io_executor& ex) const {
  for (const auto& slot : slots())
    if (slot->context == &asio::query(ex, asio::execution::context))
      if (const auto manager = slot->get()) return manager->running();
  return 0;
}

std::vector<std::string> Background::names() const {
  std::vector<std::string> all;
  for (const auto& slot : slots())
    if (const auto manager = slot->get())
      for (auto& name : manager->names()) all.push_back(std::move(name));
  return all;
}

BackgroundStats Background::stats() const {
  BackgroundStats all;
  for (const auto& slot : slots())
    if (const auto manager = slot->get()) add(all, manager->stats());
  return all;
}

void Background::cancel_all() noexcept {
  // From the last to the first: those that are erased meanwhile make it skip none. No copy, which takes memory.
  for (auto i = count(); i-- > 0;) {
    std::shared_ptr<Slot> slot;
    {
      std::lock_guard lock(mutex_);
      if (i < slots_.size()) slot = slots_[i];
    }
    if (const auto manager = slot ? slot->get() : nullptr) manager->cancel_all();
  }
}

asio::awaitable<void> Background::wait_for_all(std::shared_ptr<Background> self) {
  for (const auto& slot : self->slots())
    if (const auto manager = slot->get()) co_await manager->wait_for_all();
}

asio::awaitable<ShutdownPart> Background::close(std::shared_ptr<Background> self, std::chrono::nanoseconds drain) {
  std::vector<asio::awaitable<ShutdownPart>> work;
  {
    std::lock_guard lock(self->mutex_);
    self->closed_ = true;
    for (const auto& slot : self->slots_)
      if (const auto manager = slot->get()) work.push_back(manager->aclose(drain));
  }
  ShutdownPart all;
  if (work.empty()) co_return all;
  const auto parts = co_await gather(std::move(work));
  all.status = shutdown_status::completed;
  for (const auto& part : parts) {
    all.completed += part.completed;
    all.failed += part.failed;
    all.cancelled += part.cancelled;
    all.abandoned += part.abandoned;
    all.duration = std::max(all.duration, part.duration);
  }
  if (all.cancelled > 0) all.status = shutdown_status::cancelled;
  if (all.abandoned > 0) all.status = shutdown_status::timed_out;
  co_return all;
}

asio::awaitable<ShutdownPart> Background::close_on(asio::any_io_executor ex, std::chrono::nanoseconds drain) {
  std::shared_ptr<BackgroundTaskManager> manager;
  for (const auto& slot : slots())
    if (slot->context == &asio::query(ex, asio::execution::context)) manager = slot->get();
  ShutdownPart part;
  if (manager) part = co_await manager->aclose(drain);
  co_return part;
}

}  // namespace agentflow::detail

namespace agentflow {

std::size_t BackgroundTasks::running() const { return tasks_->running(); }
std::vector<std::string> BackgroundTasks::names() const { return tasks_->names(); }
BackgroundStats BackgroundTasks::stats() const { return tasks_->stats(); }
asio::awaitable<void> BackgroundTasks::wait_for_all() { return detail::Background::wait_for_all(tasks_); }
void BackgroundTasks::cancel_all() noexcept { tasks_->cancel_all(); }

}  // namespace agentflow
