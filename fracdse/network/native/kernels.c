/* Fused pointwise passes over feature maps stored as (pixels, channels), for one thread each.

   What each computes is written beside its caller in Python, which also has the same in torch operations; these only
   avoid the round trips to memory between them. Sums of convolutions come as bfloat16 or as float32 (wide). */

#include <math.h>
#include <stdint.h>

#define MAX_CHANNELS 4096
#define BLOCK 128

static inline float from_bf16(uint16_t value) {
    union { uint32_t bits; float number; } u = {(uint32_t)value << 16};
    return u.number;
}

static inline uint16_t to_bf16(float value) {
    union { float number; uint32_t bits; } u = {value};
    return (uint16_t)((u.bits + 0x7FFFu + ((u.bits >> 16) & 1u)) >> 16);
}

/* exp(-a) for a >= 0, to about 1e-7. */
static inline float exp_minus(float a) {
    float t = -1.44269504f * (a < 80.0f ? a : 80.0f);
    float whole = floorf(t), f = t - whole;
    float p = 1.0f + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f + f * (0.00961813f
              + f * (0.00133336f + f * 0.00015469f)))));
    union { int32_t bits; float number; } scale = {((int32_t)whole + 127) << 23};
    return p * scale.number;
}

/* With k = round(1.5*x + 1.5), halves to even, clamped to 0..3: leading bit k >= 2, trailing bit the parity of k. */
void two_bits(const float *restrict x, uint16_t *restrict leading, uint16_t *restrict trailing, long count) {
    for (long i = 0; i < count; i++) {
        float level = x[i] * 1.5f + 1.5f;
        uint32_t one = level > 0.5f, two = level >= 1.5f, three = level > 2.5f;
        leading[i] = (uint16_t)(0xBF80u - (two << 15));
        trailing[i] = (uint16_t)(0xBF80u - ((one ^ two ^ three) << 15));
    }
}

#define GATE(NAME, TYPE, LOAD)                                                                                        \
    void NAME(const TYPE *restrict leading, const TYPE *restrict trailing, const float *restrict limit,               \
              float *restrict out, long pixels, long channels) {                                                      \
        for (long p = 0; p < pixels; p++)                                                                             \
            for (long c = 0; c < channels; c++) {                                                                     \
                long i = p * channels + c;                                                                            \
                float m = LOAD(leading[i]), l = LOAD(trailing[i]);                                                    \
                out[i] = m * (2.0f / 3.0f) + (m > limit[c] ? l : 0.0f) * (1.0f / 3.0f);                               \
            }                                                                                                         \
    }

/* a = (2/3)(g + t), b = g*gate/3, both = a + b; d_threshold -= t, where t goes through the gate. */
#define GATE_BACKWARD(NAME, TYPE, LOAD)                                                                               \
    void NAME(const float *restrict gradient, const TYPE *restrict leading, const TYPE *restrict trailing,            \
              const float *restrict limit, const float *restrict threshold, uint16_t *restrict a,                     \
              uint16_t *restrict b, uint16_t *restrict both, double *restrict d_threshold, long pixels,               \
              long channels) {                                                                                        \
        float total[MAX_CHANNELS];                                                                                    \
        for (long start = 0; start < pixels; start += BLOCK) {                                                        \
            long stop = start + BLOCK < pixels ? start + BLOCK : pixels;                                              \
            for (long c = 0; c < channels; c++) total[c] = 0.0f;                                                      \
            for (long p = start; p < stop; p++)                                                                       \
                for (long c = 0; c < channels; c++) {                                                                 \
                    long i = p * channels + c;                                                                        \
                    float g = gradient[i], m = LOAD(leading[i]), l = LOAD(trailing[i]);                               \
                    float z = 5.0f * (m * (2.0f / 3.0f) - threshold[c]);                                              \
                    float e = exp_minus(z < 0.0f ? 0.0f : z), s = 1.0f / (1.0f + e);                                  \
                    float t = z >= 0.0f ? g * l * (5.0f / 3.0f) * s * s * e : 0.0f;                                   \
                    float first = (2.0f / 3.0f) * (g + t), second = m > limit[c] ? g * (1.0f / 3.0f) : 0.0f;          \
                    a[i] = to_bf16(first);                                                                            \
                    b[i] = to_bf16(second);                                                                           \
                    both[i] = to_bf16(first + second);                                                                \
                    total[c] += t;                                                                                    \
                }                                                                                                     \
            for (long c = 0; c < channels; c++) d_threshold[c] -= total[c];                                           \
        }                                                                                                             \
    }

#define PLAIN(value) (value)
GATE(gate_narrow, uint16_t, from_bf16)
GATE(gate_wide, float, PLAIN)
GATE_BACKWARD(gate_backward_narrow, uint16_t, from_bf16)
GATE_BACKWARD(gate_backward_wide, float, PLAIN)

/* d_x = d inside (-1, 1), else 0. */
void clip_backward(const uint16_t *restrict d, const float *restrict x, float *restrict d_x, long count) {
    for (long i = 0; i < count; i++) d_x[i] = (x[i] > -1.0f && x[i] < 1.0f) ? from_bf16(d[i]) : 0.0f;
}

/* sum += x and product += x*y, a channel each. */
void sums(const float *x, const float *y, double *restrict sum, double *restrict product, long pixels, long channels) {
    float s[MAX_CHANNELS], q[MAX_CHANNELS];
    for (long start = 0; start < pixels; start += BLOCK) {
        long stop = start + BLOCK < pixels ? start + BLOCK : pixels;
        for (long c = 0; c < channels; c++) s[c] = q[c] = 0.0f;
        for (long p = start; p < stop; p++)
            for (long c = 0; c < channels; c++) {
                long i = p * channels + c;
                s[c] += x[i];
                q[c] += x[i] * y[i];
            }
        for (long c = 0; c < channels; c++) sum[c] += s[c], product[c] += q[c];
    }
}

/* out = a*x + b*y + constant, a channel each. */
void blend(const float *restrict x, const float *restrict y, const float *restrict a, const float *restrict b,
           const float *restrict constant, float *restrict out, long pixels, long channels) {
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c++) {
            long i = p * channels + c;
            out[i] = a[c] * x[i] + (b[c] * y[i] + constant[c]);
        }
}

/* out = base + factor*prelu(x). */
void prelu_onto(const float *restrict x, const float *restrict slope, const float *restrict base, float factor,
                float *restrict out, long pixels, long channels) {
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c++) {
            long i = p * channels + c;
            out[i] = base[i] + factor * (x[i] > 0.0f ? x[i] : slope[c] * x[i]);
        }
}

void prelu_backward(const float *restrict gradient, const float *restrict x, const float *restrict slope, float factor,
                    float *restrict d_x, double *restrict d_slope, long pixels, long channels) {
    float total[MAX_CHANNELS];
    for (long start = 0; start < pixels; start += BLOCK) {
        long stop = start + BLOCK < pixels ? start + BLOCK : pixels;
        for (long c = 0; c < channels; c++) total[c] = 0.0f;
        for (long p = start; p < stop; p++)
            for (long c = 0; c < channels; c++) {
                long i = p * channels + c;
                float g = factor * gradient[i], lower = x[i] > 0.0f ? 0.0f : x[i];
                d_x[i] = x[i] > 0.0f ? g : g * slope[c];
                total[c] += g * lower;
            }
        for (long c = 0; c < channels; c++) d_slope[c] += total[c];
    }
}
