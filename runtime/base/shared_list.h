#pragma once
// A list whose copies share what they have in common: a copy of a thousand elements costs some thirty pointers, and an
// element that is added afterwards a copy of its chunk. For states of which many versions are alive at a time, each
// read by other threads. A list is like any other value: one that is written belongs to one thread.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/base/assert.h"

namespace ironbark {

template <typename Value>
class SharedList {
  public:
    class Iterator {
      public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = Value;
        using difference_type = std::ptrdiff_t;
        using pointer = const Value*;
        using reference = const Value&;
        Iterator() = default;
        Iterator(const SharedList* list, size_t index) : list_(list), index_(index) {}
        const Value& operator*() const { return (*list_)[index_]; }
        const Value* operator->() const { return &(*list_)[index_]; }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        Iterator operator++(int) { return std::exchange(*this, Iterator(list_, index_ + 1)); }
        friend bool operator==(const Iterator&, const Iterator&) = default;

      private:
        const SharedList* list_ = nullptr;
        size_t index_ = 0;
    };

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // REQUIRES: index < size()
    const Value& operator[](size_t index) const {
        ASSERT(index < size_);
        const size_t place = skipped_ + index;
        return (*chunks_[place / chunk_size])[place % chunk_size];
    }
    // REQUIRES: !empty()
    const Value& front() const { return (*this)[0]; }
    const Value& back() const { return (*this)[size_ - 1]; }
    Iterator begin() const { return {this, 0}; }
    Iterator end() const { return {this, size_}; }

    void push_back(Value value) {
        const bool begins_chunk = (skipped_ + size_) % chunk_size == 0;
        auto chunk = begins_chunk ? std::make_shared<Chunk>() : std::make_shared<Chunk>(*chunks_.back());
        chunk->push_back(std::move(value));
        if (begins_chunk) {
            chunks_.push_back(std::move(chunk));
        } else {
            chunks_.back() = std::move(chunk);
        }
        ++size_;
    }
    // REQUIRES: !empty()
    void pop_front() {
        ASSERT(size_ > 0);
        --size_;
        if (++skipped_ < chunk_size) return;
        chunks_.erase(chunks_.begin());
        skipped_ = 0;
    }

    friend bool operator==(const SharedList& left, const SharedList& right) {
        return left.size_ == right.size_ && std::equal(left.begin(), left.end(), right.begin());
    }

  private:
    static constexpr size_t chunk_size = 32;
    using Chunk = std::vector<Value>;

    std::vector<std::shared_ptr<const Chunk>> chunks_;  // all but the last one full
    size_t skipped_ = 0;                                // elements of the first that are gone
    size_t size_ = 0;
};

}  // namespace ironbark
