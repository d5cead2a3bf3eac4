/* An LSTM that serves cases to lstm-conformance check --process ./my_lstm: the forward pass of one sample at a time, in double.
 *
 *     cc -O2 -o my_lstm my_lstm.c -lm
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

/* One sample: x (T, D), W (D, 4H), U (H, 4H), b (4H); the gates' blocks are i, f, c, o. h and c (H) are the state, which is
 * replaced; output (T, H) is what it has been after each step, and z (4H) is for us to use. */
static void lstm(size_t T, size_t D, size_t H, const double *x, const double *W, const double *U, const double *b, double *h,
                 double *c, double *output, double *z) {
    for (size_t t = 0; t < T; t++) {
        memcpy(z, b, 4 * H * sizeof *z);
        for (size_t d = 0; d < D; d++)
            for (size_t j = 0; j < 4 * H; j++) z[j] += x[t * D + d] * W[d * 4 * H + j];
        for (size_t k = 0; k < H; k++)
            for (size_t j = 0; j < 4 * H; j++) z[j] += h[k] * U[k * 4 * H + j];
        for (size_t j = 0; j < H; j++) {
            c[j] = sigmoid(z[H + j]) * c[j] + sigmoid(z[j]) * tanh(z[2 * H + j]);
            h[j] = sigmoid(z[3 * H + j]) * tanh(c[j]);
        }
        memcpy(output + t * H, h, H * sizeof *h);
    }
}

/* JSON, as much of it as is needed: values are found, not checked. */

static const char *after_string(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

static const char *after_value(const char *p) {
    int depth = 0;
    do {
        if (*p == '"') {
            p = after_string(p);
        } else {
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
            p++;
        }
    } while (*p && (depth || (*p != ',' && *p != '}' && *p != ']')));
    return p;
}

static const char *get(const char *object, const char *key) {
    const char *p = object && *object == '{' ? object + 1 : "";
    while (*p == '"') {
        const char *end = after_string(p), *value = end + 1 + strspn(end + 1, " ");
        if ((size_t)(end - p) == strlen(key) + 2 && !strncmp(p + 1, key, strlen(key))) return value;
        p = after_value(value);
        p += strspn(p, ", ");
    }
    return NULL;
}

static double *numbers(const char *arrays, const char *name, size_t count) {
    const char *p = get(get(arrays, name), "data");
    double *found = malloc((count + 1) * sizeof *found);
    if (!p || !found) {
        fprintf(stderr, "no %s\n", name);
        exit(1);
    }
    for (size_t n = 0; n < count; n++) {
        char *end;
        found[n] = strtod(p + 1, &end); /* behind [ or , */
        p = end;
    }
    return found;
}

static void show(const char *name, const char *shape, const double *data, size_t count, char behind) {
    printf("\"%s\":{\"shape\":[%s],\"data\":[", name, shape);
    for (size_t n = 0; n < count; n++) {
        if (n) putchar(',');
        if (isfinite(data[n]))
            printf("%.17g", data[n]);
        else
            printf(isnan(data[n]) ? "\"NaN\"" : data[n] > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    }
    printf("]}%c", behind);
}

static void answer(const char *request) {
    const char *sizes = get(request, "sizes"), *arrays = get(request, "arrays"), *call = get(request, "call");
    size_t T = strtoul(get(sizes, "T"), NULL, 10), D = strtoul(get(sizes, "D"), NULL, 10);
    size_t H = strtoul(get(sizes, "H"), NULL, 10);
    double *x = numbers(arrays, "x", T * D), *h = numbers(arrays, "h0", H), *c = numbers(arrays, "c0", H);
    double *W = numbers(arrays, "kernel", D * 4 * H), *U = numbers(arrays, "recurrent_kernel", H * 4 * H);
    double *b = numbers(arrays, "bias", 4 * H);
    double *output = malloc((T * H + 1) * sizeof *output), *z = malloc((4 * H + 1) * sizeof *z);
    char sequence[64], state[64];
    if (!output || !z) exit(1);
    lstm(T, D, H, x, W, U, b, h, c, output, z);
    snprintf(sequence, sizeof sequence, "1,%zu,%zu", T, H);
    snprintf(state, sizeof state, "1,%zu", H);
    printf("{\"call\":%ld,\"results\":{", strtol(call, NULL, 10));
    show("output", sequence, output, T * H, ',');
    show("h", state, h, H, ',');
    show("c", state, c, H, '}');
    puts("}");
    free(x), free(h), free(c), free(W), free(U), free(b), free(output), free(z);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        if (get(line, "protocol"))
            puts("{\"protocol\":\"lstm-conformance\",\"version\":1,\"arrays\":\"numbers\",\"batch\":1}");
        else
            answer(line);
        fflush(stdout); /* or the other side waits for ever */
    }
    free(line);
    return 0;
}
