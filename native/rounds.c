/* The rounds of Symfony's digest in one call: d = SHA-512(salted), then d = SHA-512(d salted), without Python's lock.
 * The hashing itself is OpenSSL's, by its oldest functions: the newer ones take a third longer for so short a text.
 * Optional: orosync.identity.digest does the same in Python where this is not built. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#define OPENSSL_SUPPRESS_DEPRECATED
#include <Python.h>
#include <openssl/sha.h>

static PyObject *rounds(PyObject *self, PyObject *args)
{
    const char *salted;
    Py_ssize_t length;
    unsigned long left;
    unsigned char digest[SHA512_DIGEST_LENGTH];
    SHA512_CTX context;

    if (!PyArg_ParseTuple(args, "y#k", &salted, &length, &left))
        return NULL;
    if (left == 0) {
        PyErr_SetString(PyExc_ValueError, "there is at least one round");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    SHA512_Init(&context);
    SHA512_Update(&context, salted, (size_t) length);
    SHA512_Final(digest, &context);
    while (--left) {
        SHA512_Init(&context);
        SHA512_Update(&context, digest, sizeof digest);
        SHA512_Update(&context, salted, (size_t) length);
        SHA512_Final(digest, &context);
    }
    Py_END_ALLOW_THREADS
    return PyBytes_FromStringAndSize((const char *) digest, sizeof digest);
}

static PyMethodDef methods[] = {
    {"rounds", rounds, METH_VARARGS, "rounds(salted: bytes, count: int) -> bytes"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_rounds", "SHA-512 over and over.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rounds(void)
{
    return PyModuleDef_Init(&definition);
}
