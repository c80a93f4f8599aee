// An accelerator that takes commands: the Verilated model behind the simulated board.
//
// Standard input carries commands, standard output one answer each; all numbers are little-endian. A command is a letter
// and two 32-bit words, then, for S, the bytes:
//   R address 0      read a register        -> value
//   W address value  write a register       -> 0
//   S bytes 0        queue input words      -> 0
//   C cycles words   run, taking at most that many words of output -> bytes still queued, TLAST seen, words, the words
//   X 0 0            reset                  -> 0
// An answer begins with a status word: 0 done, 1 refused, followed by nothing else.
#include <cstdio>
#include <cstring>

#include "bench.h"

static bool read_exactly(void* target, size_t size) { return std::fread(target, 1, size, stdin) == size; }

static void answer(const std::vector<uint32_t>& words) {
    const uint32_t status = 0;
    std::fwrite(&status, 4, 1, stdout);
    std::fwrite(words.data(), 4, words.size(), stdout);
    std::fflush(stdout);
}

static void refuse() {
    const uint32_t status = 1;
    std::fwrite(&status, 4, 1, stdout);
    std::fflush(stdout);
}

class Served {
  public:
    Served() : bench_(1, 0, 0, ~0ULL) { bench_.take_limit = 0; }

    bool handle(char command, uint32_t first, uint32_t second) {
        switch (command) {
            case 'R': answer({bench_.read(first)}); return true;
            case 'W': bench_.write(first, second), answer({0}); return true;
            case 'S': return queue(first);
            case 'C': run(first, second); return true;
            case 'X': reset(), answer({0}); return true;
            default: refuse(); return true;
        }
    }

  private:
    Bench bench_;
    std::vector<uint32_t> queued_;

    bool queue(uint32_t bytes) {
        std::vector<uint32_t> words(bytes / 4);
        if (!read_exactly(words.data(), words.size() * 4)) return false;
        std::vector<uint32_t> all(queued_.end() - static_cast<ptrdiff_t>(bench_.words_left()), queued_.end());
        all.insert(all.end(), words.begin(), words.end());
        queued_ = std::move(all);
        bench_.send(queued_.data(), queued_.size());
        answer({0});
        return true;
    }

    void run(uint32_t cycles, uint32_t words) {
        bench_.forget_taken();
        bench_.take_limit = words;
        for (uint32_t i = 0; i < cycles; ++i) {
            if (bench_.last_flags > 0) break;
            if (bench_.words_left() == 0 && bench_.taken.size() == words) break;
            bench_.tick();
        }
        bench_.take_limit = 0;
        std::vector<uint32_t> reply = {static_cast<uint32_t>(bench_.words_left() * 4),
                                       static_cast<uint32_t>(bench_.last_flags > 0),
                                       static_cast<uint32_t>(bench_.taken.size())};
        for (int32_t word : bench_.taken) reply.push_back(static_cast<uint32_t>(word));
        bench_.forget_taken();
        answer(reply);
    }

    void reset() {
        queued_.clear();
        bench_.send(queued_.data(), 0);
        bench_.forget_taken();
        bench_.reset(4);
    }
};

int main() {
    Served served;
    char header[9];
    try {
        while (read_exactly(header, sizeof header)) {
            uint32_t numbers[2];
            std::memcpy(numbers, header + 1, sizeof numbers);
            if (!served.handle(header[0], numbers[0], numbers[1])) return 1;
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 3;
    }
    return 0;
}
