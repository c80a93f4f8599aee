// Runs frames through an accelerator and writes what came out, once, from a file of numbers to a file of numbers.
//
// Arguments: input file, output file. The input is little-endian 32-bit words: the settings in the order of `Setting`,
// then the words of the frames. The output is 64-bit words: the results in the order of `main`, then, a frame, the cycle
// of its first input word and of its last logit (both counted from START), then the gate counters, then all logits.
#include <cstdio>

#include "bench.h"

enum Setting { kFrames, kFrameWords, kClasses, kGatedLayers, kSeed, kPauseIn, kPauseOut, kPatience, kResetAfter, kSettings };

static std::vector<uint32_t> read_words(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file) throw std::runtime_error(std::string("cannot open ") + path);
    std::fseek(file, 0, SEEK_END);
    std::vector<uint32_t> words(static_cast<size_t>(std::ftell(file)) / 4);
    std::rewind(file);
    const size_t count = std::fread(words.data(), 4, words.size(), file);
    std::fclose(file);
    if (count != words.size() || count < kSettings) throw std::runtime_error(std::string("cannot read ") + path);
    return words;
}

static void write_words(const char* path, const std::vector<uint64_t>& words) {
    std::FILE* file = std::fopen(path, "wb");
    const bool written = file && std::fwrite(words.data(), 8, words.size(), file) == words.size();
    if (!file || std::fclose(file) != 0 || !written) throw std::runtime_error(std::string("cannot write ") + path);
}

// Stop in the middle of a frame and reset: whatever was inside must leave no trace.
static void interrupt(Bench& bench, const uint32_t* words, uint64_t count) {
    bench.write(REGISTER_FRAMES, 1);
    bench.write(REGISTER_CONTROL, CONTROL_START);
    bench.send(words, count);
    while (bench.words_left() > 0) bench.tick();
    bench.reset(2);
    bench.forget_taken();
}

static void run(const std::vector<uint32_t>& input, const char* output) {
    const uint32_t* set = input.data();
    const uint64_t frames = set[kFrames], frame_words = set[kFrameWords], classes = set[kClasses];
    const uint32_t* words = set + kSettings;
    if (input.size() != kSettings + frames * frame_words) throw std::runtime_error("input file of the wrong length");

    Bench bench(set[kSeed], set[kPauseIn], set[kPauseOut], set[kPatience]);
    bench.stamp_every = frame_words;
    if (set[kResetAfter] > 0) interrupt(bench, words, set[kResetAfter]);
    bench.write(REGISTER_FRAMES, static_cast<uint32_t>(frames));
    bench.write(REGISTER_CONTROL, CONTROL_START);
    const uint64_t start = bench.cycles;
    bench.send(words, frames * frame_words);
    while (bench.taken.size() < frames * classes) bench.tick();
    for (int i = 0; !(bench.read(REGISTER_STATUS) & STATUS_DONE); ++i)
        if (i > 1000) throw Stuck("all logits were taken but STATUS does not say done");
    if (bench.last_flags != 1 || bench.last_flag_at + 1 != frames * classes)
        throw Stuck("TLAST came " + std::to_string(bench.last_flags) + " times, not once with the last logit");
    if (bench.taken.size() != frames * classes) throw Stuck("more logits than frames and classes ask for");

    std::vector<uint64_t> out = {bench.taken_at.back() - start,       bench.read64(REGISTER_BUILD_ID_LOW),
                                 bench.read64(REGISTER_CYCLES_LOW),       bench.read(REGISTER_FRAMES_DONE),
                                 bench.read(REGISTER_FIRST_LATENCY),  bench.read(REGISTER_GATED_LAYERS),
                                 bench.read(REGISTER_CLASSES),        bench.read(REGISTER_FRAME_WORDS)};
    for (uint64_t frame = 0; frame < frames; ++frame) {
        out.push_back(bench.accepted_at[frame] - start);
        out.push_back(bench.taken_at[(frame + 1) * classes - 1] - start);
    }
    for (uint32_t layer = 0; layer < set[kGatedLayers]; ++layer) out.push_back(bench.read64(REGISTER_GATES + 8 * layer));
    for (int32_t logit : bench.taken) out.push_back(static_cast<uint64_t>(static_cast<int64_t>(logit)));
    write_words(output, out);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        run(read_words(argv[1]), argv[2]);
    } catch (const Stuck& stuck) {
        std::fprintf(stderr, "STUCK: %s\n", stuck.what());
        return 3;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ERROR: %s\n", error.what());
        return 1;
    }
    return 0;
}
