// SPDX-License-Identifier: MIT
// A callable that is moved, never copied: what std::move_only_function will be.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace agentflow::detail {

template <class Signature>
class UniqueFunction;

/// Owns any callable of the signature, move-only ones too. Calling an empty one is undefined; test with `bool`.
template <class R, class... A>
class UniqueFunction<R(A...)> {
 public:
  UniqueFunction() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, A...>)
  UniqueFunction(F&& f) : impl_(std::make_unique<Model<std::decay_t<F>>>(std::forward<F>(f))) {}

  R operator()(A... args) { return impl_->call(std::forward<A>(args)...); }
  explicit operator bool() const noexcept { return impl_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R call(A... args) = 0;
  };
  template <class F>
  struct Model final : Base {
    explicit Model(F&& f) : fn(std::move(f)) {}
    explicit Model(const F& f) : fn(f) {}
    R call(A... args) override { return fn(std::forward<A>(args)...); }
    F fn;
  };
  std::unique_ptr<Base> impl_;
};

}  // namespace agentflow::detail
