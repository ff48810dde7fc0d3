#include "bench/machine/description.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

std::string processor_model() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "processor";
}

// From the line of /proc/self/mountinfo with this device number: ... MAJOR:MINOR ROOT PLACE OPTIONS - TYPE ...
std::string file_system(const std::string& device_number) {
    std::ifstream file("/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.find(" " + device_number + " ") == std::string::npos) continue;
        std::istringstream rest(line.substr(line.find(" - ") + 3));
        std::string type;
        rest >> type;
        return type;
    }
    return "unknown file system";
}

std::string scheduler_of(const std::filesystem::path& device) {
    std::ifstream file(device / "queue/scheduler");
    for (std::string word; file >> word;) {
        if (word.starts_with('[')) return word.substr(1, word.size() - 2);
    }
    return "no scheduler";
}

std::string disk_of(const std::string& directory) {
    struct stat status{};
    check(::stat(directory.c_str(), &status), "stat");
    const std::string number = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
    std::error_code error;
    const std::filesystem::path device = std::filesystem::canonical("/sys/dev/block/" + number, error);
    if (error) return file_system(number) + " on no block device";
    return file_system(number) + " on " + device.filename().string() + " (" + scheduler_of(device) + ")";
}

std::string build_of_this_program() {
#ifdef __clang__
    std::string build = "clang " __clang_version__;
#else
    std::string build = "g++ " __VERSION__;
#endif
#ifdef __OPTIMIZE__
    return build + ", optimised";
#else
    return build + ", NOT optimised";
#endif
}

}  // namespace

Description describe_machine(const std::string& directory) {
    utsname system{};
    check(::uname(&system), "uname");
    const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
    const long long memory = static_cast<long long>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
    return {.processors = std::to_string(processors) + " x " + processor_model(),
            .memory = std::to_string(memory >> 30) + " GiB",
            .kernel = std::string(system.sysname) + " " + system.release,
            .disk = disk_of(directory),
            .build = build_of_this_program()};
}

}  // namespace ironbark::bench
