#pragma once
// The files and directories of one simulated disk, without time and without faults: what is visible now, and what
// would be there after a power loss. A value: a copy is a copy of the whole disk.
//
// Directories hold their changes in order. A power loss keeps a prefix of each directory's changes that were not
// synced; a rename between two directories happens in both or in neither. Whether a file's own bytes were synced is a
// different matter: a synced file whose name was not synced is gone.
//
// Paths: '/' separates, "/data", "data" and "./data" are the same place; there is no "..".

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "tests/simulation/file_image.h"

namespace ironbark::simulation {

using InodeId = uint64_t;

class DiskImage {
  public:
    DiskImage() { directories_[root]; }

    // Numbers the next completion; see Sequence.
    Sequence advance() { return ++sequence_; }
    Sequence sequence() const { return sequence_; }

    Result<InodeId> find(const std::string& path, View view = View::visible) const;
    Result<InodeId> find_file(const std::string& path, View view = View::visible) const;
    Result<InodeId> find_directory(const std::string& path, View view = View::visible) const;
    FileImage& file(InodeId id) { return files_.at(id).image; }
    const FileImage& file(InodeId id) const { return files_.at(id).image; }

    bool contains_file(InodeId id) const { return files_.contains(id); }

    // An open file stays when its name is removed.
    void opened(InodeId id) { ++files_.at(id).opens; }
    void closed(InodeId id) { --files_.at(id).opens; }
    void close_all();

    Result<InodeId> create(const std::string& path);
    Result<void> make_directory(const std::string& path);
    Result<void> rename(const std::string& from, const std::string& to);
    Result<void> remove(const std::string& path);
    Result<void> remove_directory(const std::string& path);
    Result<std::vector<std::string>> list(const std::string& path) const;
    void sync_directory(InodeId id, Sequence covered);

    // Keeps of everything not synced what chance keeps. Nothing may be open.
    void lose_power(Tearing tearing, RandomStream& random);
    // Forgets files that no name and no process refers to.
    void collect();

    // Of all files with a name or opened, in whole pages. Holes count as if they were filled.
    uint64_t used_bytes() const;
    std::vector<std::string> files(View view) const;  // paths of all files, sorted
    std::string path_of(InodeId file) const;          // for messages
    void evict();                                     // see FileImage

  private:
    static constexpr InodeId root = 1;
    struct File {
        FileImage image;
        uint32_t links = 0;  // visible names
        uint32_t opens = 0;
    };
    struct Change {
        Sequence sequence;
        std::string name;
        InodeId inode;  // 0: the name was removed
    };
    using Entries = std::map<std::string, InodeId>;
    struct Directory {
        Entries visible;
        Entries durable;
        std::vector<Change> unsynced;  // in order
    };
    struct Place {  // a name in a directory, which need not be there
        InodeId directory;
        std::string name;
    };

    const Entries& entries(InodeId directory, View view) const;
    Result<Place> place_of(const std::string& path) const;
    InodeId entry(const Place& place) const;  // 0 if there is none
    void set_entry(const Place& place, InodeId inode, Sequence sequence);
    void list_files(InodeId directory, const std::string& prefix, View view, std::vector<std::string>& paths) const;
    static void make_durable(Directory& directory, Sequence covered);
    // Raises the cuts until every rename between directories is in both or in neither.
    void join_renames(std::map<InodeId, Sequence>& cuts) const;

    std::map<InodeId, File> files_;
    std::map<InodeId, Directory> directories_;
    InodeId inodes_ = root;
    Sequence sequence_ = 0;
};

}  // namespace ironbark::simulation
