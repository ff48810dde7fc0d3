#include "tests/simulation/disk_image.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "runtime/base/assert.h"

namespace ironbark::simulation {
namespace {

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> names;
    size_t begin = 0;
    while (begin <= path.size()) {
        size_t end = std::min(path.find('/', begin), path.size());
        std::string name = path.substr(begin, end - begin);
        ASSERT(name != "..");
        if (!name.empty() && name != ".") names.push_back(std::move(name));
        begin = end + 1;
    }
    return names;
}

}  // namespace

const DiskImage::Entries& DiskImage::entries(InodeId directory, View view) const {
    const Directory& found = directories_.at(directory);
    return view == View::durable ? found.durable : found.visible;
}

Result<InodeId> DiskImage::find(const std::string& path, View view) const {
    InodeId inode = root;
    for (const std::string& name : split(path)) {
        if (!directories_.contains(inode)) return error_from_errno(ENOTDIR, "a part of the path is a file");
        const Entries& names = entries(inode, view);
        auto found = names.find(name);
        if (found == names.end()) return error_from_errno(ENOENT, "no such file or directory");
        inode = found->second;
    }
    return inode;
}

Result<InodeId> DiskImage::find_file(const std::string& path, View view) const {
    TRY(InodeId inode, find(path, view));
    if (!files_.contains(inode)) return error_from_errno(EISDIR, "the path is a directory");
    return inode;
}

Result<InodeId> DiskImage::find_directory(const std::string& path, View view) const {
    TRY(InodeId inode, find(path, view));
    if (!directories_.contains(inode)) return error_from_errno(ENOTDIR, "the path is a file");
    return inode;
}

Result<DiskImage::Place> DiskImage::place_of(const std::string& path) const {
    std::vector<std::string> names = split(path);
    if (names.empty()) return error_from_errno(EINVAL, "the path names the root");
    std::string name = std::move(names.back());
    names.pop_back();
    std::string parent;
    for (const std::string& part : names) parent += "/" + part;
    TRY(InodeId directory, find_directory(parent));
    return Place{directory, std::move(name)};
}

InodeId DiskImage::entry(const Place& place) const {
    const Entries& names = entries(place.directory, View::visible);
    auto found = names.find(place.name);
    return found == names.end() ? 0 : found->second;
}

void DiskImage::set_entry(const Place& place, InodeId inode, Sequence sequence) {
    Directory& directory = directories_.at(place.directory);
    if (auto old = files_.find(entry(place)); old != files_.end()) --old->second.links;
    if (inode == 0) {
        directory.visible.erase(place.name);
    } else {
        directory.visible[place.name] = inode;
        if (auto file = files_.find(inode); file != files_.end()) ++file->second.links;
    }
    directory.unsynced.push_back(Change{sequence, place.name, inode});
}

Result<InodeId> DiskImage::create(const std::string& path) {
    TRY(Place place, place_of(path));
    if (entry(place) != 0) return error_from_errno(EEXIST, "the file exists");
    InodeId inode = ++inodes_;
    files_[inode];
    set_entry(place, inode, advance());
    return inode;
}

Result<void> DiskImage::make_directory(const std::string& path) {
    if (find_directory(path).ok()) return {};
    TRY(Place place, place_of(path));
    if (entry(place) != 0) return error_from_errno(EEXIST, "a file of that name exists");
    InodeId inode = ++inodes_;
    directories_[inode];
    set_entry(place, inode, advance());
    return {};
}

Result<void> DiskImage::rename(const std::string& from, const std::string& to) {
    TRY(Place source, place_of(from));
    TRY(Place target, place_of(to));
    InodeId inode = entry(source);
    InodeId replaced = entry(target);
    if (inode == 0) return error_from_errno(ENOENT, "nothing to rename");
    if (inode == replaced) return {};
    bool moves_directory = directories_.contains(inode);
    if (auto directory = directories_.find(replaced); directory != directories_.end()) {
        if (!moves_directory) return error_from_errno(EISDIR, "the target of the rename is a directory");
        if (!directory->second.visible.empty()) return error_from_errno(ENOTEMPTY, "the target is not empty");
    } else if (replaced != 0 && moves_directory) {
        return error_from_errno(ENOTDIR, "the target of the rename is a file");
    }
    Sequence sequence = advance();
    set_entry(target, inode, sequence);
    set_entry(source, 0, sequence);
    return {};
}

Result<void> DiskImage::remove(const std::string& path) {
    TRY(InodeId inode, find_file(path));
    TRY(Place place, place_of(path));
    ASSERT(entry(place) == inode);
    set_entry(place, 0, advance());
    return {};
}

Result<void> DiskImage::remove_directory(const std::string& path) {
    TRY(InodeId inode, find_directory(path));
    TRY(Place place, place_of(path));
    if (!directories_.at(inode).visible.empty()) return error_from_errno(ENOTEMPTY, "the directory is not empty");
    set_entry(place, 0, advance());
    return {};
}

Result<std::vector<std::string>> DiskImage::list(const std::string& path) const {
    TRY(InodeId directory, find_directory(path));
    std::vector<std::string> names;
    for (const auto& [name, inode] : entries(directory, View::visible)) names.push_back(name);
    return names;
}

void DiskImage::make_durable(Directory& directory, Sequence covered) {
    size_t count = 0;
    while (count < directory.unsynced.size() && directory.unsynced[count].sequence <= covered) {
        const Change& change = directory.unsynced[count++];
        if (change.inode == 0) directory.durable.erase(change.name);
        if (change.inode != 0) directory.durable[change.name] = change.inode;
    }
    auto first = directory.unsynced.begin();
    directory.unsynced.erase(first, first + static_cast<std::ptrdiff_t>(count));
}

void DiskImage::join_renames(std::map<InodeId, Sequence>& cuts) const {
    // A change number that stands in two directories is a rename between them.
    std::map<Sequence, std::vector<InodeId>> homes;
    for (const auto& [id, directory] : directories_) {
        for (const Change& change : directory.unsynced) {
            std::vector<InodeId>& home = homes[change.sequence];
            if (home.empty() || home.back() != id) home.push_back(id);
        }
    }
    bool changed = true;
    while (changed) {
        changed = false;
        for (const auto& [sequence, home] : homes) {
            bool is_kept = std::any_of(home.begin(), home.end(), [&](InodeId id) { return sequence <= cuts[id]; });
            for (InodeId id : home) {
                if (!is_kept || sequence <= cuts[id]) continue;
                cuts[id] = sequence;
                changed = true;
            }
        }
    }
}

void DiskImage::sync_directory(InodeId id, Sequence covered) {
    if (!directories_.contains(id)) return;  // removed meanwhile
    std::map<InodeId, Sequence> cuts{{id, covered}};
    join_renames(cuts);
    for (const auto& [directory, cut] : cuts) make_durable(directories_.at(directory), cut);
}

void DiskImage::lose_power(Tearing tearing, RandomStream& random) {
    std::map<InodeId, Sequence> cuts;
    for (const auto& [id, directory] : directories_) {
        uint64_t kept = random.below(directory.unsynced.size() + 1);
        cuts[id] = kept == 0 ? 0 : directory.unsynced[kept - 1].sequence;
    }
    join_renames(cuts);
    for (auto& [id, directory] : directories_) {
        make_durable(directory, cuts[id]);
        directory.unsynced.clear();
        directory.visible = directory.durable;
    }
    for (auto& [id, file] : files_) {
        ASSERT(file.opens == 0);
        file.image.lose_power(tearing, random);
    }
    collect();
}

void DiskImage::close_all() {
    for (auto& [id, file] : files_) file.opens = 0;
}

void DiskImage::collect() {
    std::set<InodeId> used{root};
    std::vector<InodeId> unvisited{root};
    for (auto& [id, file] : files_) file.links = 0;
    auto visit = [&](InodeId inode) {
        if (inode != 0 && used.insert(inode).second && directories_.contains(inode)) unvisited.push_back(inode);
    };
    while (!unvisited.empty()) {
        const Directory& directory = directories_.at(unvisited.back());
        unvisited.pop_back();
        for (const auto& [name, inode] : directory.visible) {
            visit(inode);
            if (auto file = files_.find(inode); file != files_.end()) file->second.links = 1;
        }
        for (const auto& [name, inode] : directory.durable) visit(inode);
        for (const Change& change : directory.unsynced) visit(change.inode);
    }
    std::erase_if(files_, [&](const auto& item) { return !used.contains(item.first) && item.second.opens == 0; });
    std::erase_if(directories_, [&](const auto& item) { return !used.contains(item.first); });
}

uint64_t DiskImage::used_bytes() const {
    uint64_t sum = 0;
    for (const auto& [id, file] : files_) {
        if (file.links != 0 || file.opens != 0) sum += round_up(file.image.size(View::visible), page_size);
    }
    return sum;
}

void DiskImage::list_files(InodeId directory,
                           const std::string& prefix,
                           View view,
                           std::vector<std::string>& paths) const {
    for (const auto& [name, inode] : entries(directory, view)) {
        if (files_.contains(inode)) paths.push_back(prefix + name);
        if (directories_.contains(inode)) list_files(inode, prefix + name + "/", view, paths);
    }
}

std::vector<std::string> DiskImage::files(View view) const {
    std::vector<std::string> paths;
    list_files(root, "", view, paths);
    std::sort(paths.begin(), paths.end());
    return paths;
}

std::string DiskImage::path_of(InodeId file) const {
    for (const std::string& path : files(View::visible)) {
        Result<InodeId> inode = find(path);
        if (inode.ok() && *inode == file) return path;
    }
    return "a file without a name";
}

void DiskImage::evict() {
    for (auto& [id, file] : files_) file.image.evict();
}

}  // namespace ironbark::simulation
