#pragma once
// An ordered map whose copies share what they have in common: a copy of N elements costs some N / 20 pointers, and a
// change of one afterwards a copy of its leaf. For states of which many versions are alive at a time, each read by
// other threads. A map is like any other value: one that is written belongs to one thread.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace ironbark {

template <typename Key, typename Value>
class SharedMap {
  public:
    using Entry = std::pair<Key, Value>;

    class Iterator {
      public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = Entry;
        using difference_type = std::ptrdiff_t;
        using pointer = const Entry*;
        using reference = const Entry&;
        Iterator() = default;
        Iterator(const SharedMap* map, size_t leaf, size_t index) : map_(map), leaf_(leaf), index_(index) {}
        const Entry& operator*() const { return (*map_->leaves_[leaf_])[index_]; }
        const Entry* operator->() const { return &**this; }
        Iterator& operator++() {
            if (++index_ == map_->leaves_[leaf_]->size()) {
                ++leaf_;
                index_ = 0;
            }
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const Iterator&, const Iterator&) = default;

      private:
        const SharedMap* map_ = nullptr;
        size_t leaf_ = 0;
        size_t index_ = 0;
    };

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // In the order of the keys.
    Iterator begin() const { return {this, 0, 0}; }
    Iterator end() const { return {this, leaves_.size(), 0}; }
    // Null: there is none. Valid until the map is changed or destroyed.
    const Value* find(const Key& key) const {
        const size_t leaf = leaf_of(key);
        if (leaf == leaves_.size()) return nullptr;
        auto place = lower_bound(*leaves_[leaf], key);
        return place == leaves_[leaf]->end() || key < place->first ? nullptr : &place->second;
    }

    // In place of what is there for this key.
    void put(Key key, Value value) {
        if (leaves_.empty()) {
            leaves_.push_back(std::make_shared<Leaf>(Leaf{Entry(std::move(key), std::move(value))}));
            ++size_;
            return;
        }
        const size_t index = std::min(leaf_of(key), leaves_.size() - 1);
        auto leaf = std::make_shared<Leaf>(*leaves_[index]);
        auto place = lower_bound(*leaf, key);
        if (place != leaf->end() && !(key < place->first)) {
            place->second = std::move(value);
        } else {
            leaf->insert(place, Entry(std::move(key), std::move(value)));
            ++size_;
        }
        if (leaf->size() > leaf_size_max) {
            const auto middle = leaf->begin() + static_cast<std::ptrdiff_t>(leaf->size() / 2);
            auto rest = std::make_shared<Leaf>(std::make_move_iterator(middle), std::make_move_iterator(leaf->end()));
            leaf->erase(middle, leaf->end());
            leaves_.insert(leaves_.begin() + static_cast<std::ptrdiff_t>(index) + 1, std::move(rest));
        }
        leaves_[index] = std::move(leaf);
    }
    // False: there is none.
    bool erase(const Key& key) {
        if (find(key) == nullptr) return false;
        const size_t index = leaf_of(key);
        auto leaf = std::make_shared<Leaf>(*leaves_[index]);
        leaf->erase(lower_bound(*leaf, key));
        --size_;
        if (leaf->empty()) {
            leaves_.erase(leaves_.begin() + static_cast<std::ptrdiff_t>(index));
        } else {
            leaves_[index] = std::move(leaf);
        }
        return true;
    }

  private:
    static constexpr size_t leaf_size_max = 32;
    using Leaf = std::vector<Entry>;  // in order; not empty

    // The first whose last key is not below it; their number if there is none.
    size_t leaf_of(const Key& key) const {
        auto found = std::partition_point(leaves_.begin(), leaves_.end(),
                                          [&key](const auto& leaf) { return leaf->back().first < key; });
        return static_cast<size_t>(found - leaves_.begin());
    }
    template <typename Any>
    static auto lower_bound(Any& leaf, const Key& key) {
        return std::partition_point(leaf.begin(), leaf.end(), [&key](const Entry& entry) { return entry.first < key; });
    }

    std::vector<std::shared_ptr<const Leaf>> leaves_;
    size_t size_ = 0;
};

}  // namespace ironbark
