/* What the transport does most often: one frame to many sockets, all queues at the end of a turn, and one message out of
 * what arrived.
 * Optional: orosync.transport.write_queue and .frames do the same in Python where this is not built. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <structmember.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Receivers that one stretch without Python's lock sends to. */
#define STRETCH 256
/* Frames that it sends at most, of all queues together. */
#define FRAMES 1024

typedef struct {
    PyObject_HEAD
    PyObject *link, *queue, *scheduler;
    Py_ssize_t batch;
    int descriptor;
    char clear;
    char sending; /* in the present stretch */
} Sender;

typedef struct {
    PyTypeObject *sender;
    PyObject *idle, *pending, *schedule, *push, *sent_in_part, *way; /* names */
} State;

/* The first exception of several calls. */
typedef struct {
    PyObject *type, *value, *traceback;
} Failure;

/* -- one frame to many ------------------------------------------------------------------------------------------- */

static int sender_traverse(Sender *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *) self));
    Py_VISIT(self->link);
    Py_VISIT(self->queue);
    Py_VISIT(self->scheduler);
    return 0;
}

static int sender_clear(Sender *self)
{
    self->descriptor = -1;
    self->clear = 0;
    Py_CLEAR(self->link);
    Py_CLEAR(self->queue);
    Py_CLEAR(self->scheduler);
    return 0;
}

static void sender_dealloc(Sender *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *) self);
    PyObject_GC_UnTrack(self);
    sender_clear(self);
    ((freefunc) PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *sender_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *link, *queue, *scheduler;
    int descriptor;
    Py_ssize_t batch;

    if (kwargs != NULL && PyDict_Size(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Sender takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!Oin:Sender", &link, &PyList_Type, &queue, &scheduler, &descriptor, &batch))
        return NULL;
    Sender *self = (Sender *) ((allocfunc) PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    self->link = Py_NewRef(link);
    self->queue = Py_NewRef(queue);
    self->scheduler = Py_NewRef(scheduler);
    self->descriptor = descriptor;
    self->batch = batch;
    return (PyObject *) self;
}

/* Whether something can be sent at once: 1 or 0, -1 with an exception. */
static int is_idle(State *state, PyObject *scheduler)
{
    PyObject *idle = PyObject_GetAttr(scheduler, state->idle);
    if (idle == NULL)
        return -1;
    int true_or_not = PyObject_IsTrue(idle);
    Py_DECREF(idle);
    return true_or_not;
}

/* Connection.push, written out. Returns 0, -1 with an exception; *asked is set where Python code ran, which may have
 * closed the sender. */
static int push(State *state, Sender *self, PyObject *frame, int *asked)
{
    if (self->link == NULL)
        return 0; /* the connection is over */
    PyObject *link = Py_NewRef(self->link), *queue = Py_NewRef(self->queue), *scheduler = Py_NewRef(self->scheduler);
    PyObject *pending = NULL, *answer = NULL;
    Py_ssize_t queued = PyList_Size(queue);
    int failed = 0;

    if (queued >= self->batch) {
        *asked = 1;
        answer = PyObject_CallMethodObjArgs(link, state->push, frame, NULL);
        failed = answer == NULL ? -1 : 0;
    } else {
        if (queued == 0) {
            pending = PyObject_GetAttr(scheduler, state->pending);
            if (pending == NULL)
                failed = -1;
            else if (PyList_Check(pending) && PyList_Size(pending) > 0)
                failed = PyList_Append(pending, link);
            else {
                *asked = 1;
                answer = PyObject_CallMethodObjArgs(scheduler, state->schedule, link, NULL);
                failed = answer == NULL ? -1 : 0;
            }
        }
        if (!failed)
            failed = PyList_Append(queue, frame);
    }
    Py_XDECREF(answer);
    Py_XDECREF(pending);
    Py_DECREF(scheduler);
    Py_DECREF(queue);
    Py_DECREF(link);
    return failed;
}

/* A full buffer, or a broken connection: the transport finds out which, and reports it. */
static void sent_in_part(State *state, Sender *self, PyObject *frames, ssize_t sent, Failure *failure)
{
    PyObject *answer = NULL, *number;
    if (self->link == NULL)
        return;
    PyObject *link = Py_NewRef(self->link);
    if (frames != NULL && (number = PyLong_FromSsize_t(sent < 0 ? 0 : sent)) != NULL) {
        answer = PyObject_CallMethodObjArgs(link, state->sent_in_part, frames, number, NULL);
        Py_DECREF(number);
    }
    if (answer != NULL)
        Py_DECREF(answer);
    else if (failure->type == NULL)
        PyErr_Fetch(&failure->type, &failure->value, &failure->traceback);
    else
        PyErr_WriteUnraisable(link);
    Py_DECREF(link);
}

static int outcome(Failure *failure)
{
    if (failure->type == NULL)
        return 0;
    PyErr_Restore(failure->type, failure->value, failure->traceback);
    return -1;
}

/* Sends the frame to each of the senders, which are marked with ``sending`` and held. Returns 0, -1 with an exception:
 * the first one; all senders have got the frame, or what was left of it, all the same. */
static int stretch(State *state, Sender **senders, int count, PyObject *frame, int *asked)
{
    ssize_t taken[STRETCH];
    char *data = PyBytes_AsString(frame);
    Py_ssize_t size = PyBytes_Size(frame);
    Failure failure = {NULL, NULL, NULL};

    /* Sockets are closed by the thread of the reactor alone, and it is here. */
    Py_BEGIN_ALLOW_THREADS
    for (int k = 0; k < count; k++)
        taken[k] = send(senders[k]->descriptor, data, (size_t) size, MSG_NOSIGNAL | MSG_DONTWAIT);
    Py_END_ALLOW_THREADS
    for (int k = 0; k < count; k++)
        senders[k]->sending = 0;
    for (int k = 0; k < count; k++) {
        if (taken[k] != size) {
            PyObject *frames = Py_BuildValue("[O]", frame);
            *asked = 1;
            sent_in_part(state, senders[k], frames, taken[k], &failure);
            Py_XDECREF(frames);
        }
        Py_DECREF((PyObject *) senders[k]);
    }
    return outcome(&failure);
}

static int is_ready(Sender *self)
{
    return self->clear && !self->sending && self->descriptor >= 0;
}

static PyObject *send_to_all(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *receivers, *frame;
    PyObject *known = NULL; /* the scheduler that ``idle`` is of; only compared, no reference */
    int idle = 0, asked = 0;

    if (!PyArg_ParseTuple(args, "O!O:send_to_all", &PyList_Type, &receivers, &frame))
        return NULL;
    int framed = PyBytes_CheckExact(frame);
    for (Py_ssize_t place = 0; place < PyList_Size(receivers);) {
        Sender *senders[STRETCH];
        int count = 0;
        PyObject *receiver = Py_NewRef(PyList_GetItem(receivers, place));
        if (!framed || Py_TYPE(receiver) != state->sender || ((Sender *) receiver)->link == NULL) {
            /* Any other receiver, and one whose connection is over. */
            PyObject *answer = PyObject_CallFunctionObjArgs(receiver, frame, NULL);
            Py_DECREF(receiver);
            if (answer == NULL)
                return NULL;
            Py_DECREF(answer);
            known = NULL;
            place++;
            continue;
        }
        Sender *first = (Sender *) receiver;
        if (asked || first->scheduler != known) {
            /* Python code may have queued something. */
            idle = is_idle(state, first->scheduler);
            if (idle < 0) {
                Py_DECREF(receiver);
                return NULL;
            }
            known = first->scheduler;
            asked = 0;
        }
        if (!idle || !is_ready(first)) {
            int failed = push(state, first, frame, &asked);
            Py_DECREF(receiver);
            if (failed)
                return NULL;
            place++;
            continue;
        }
        first->sending = 1;
        senders[count++] = first;
        Py_ssize_t size = PyList_Size(receivers);
        while (count < STRETCH && place + count < size) {
            Sender *next = (Sender *) PyList_GetItem(receivers, place + count);
            if (Py_TYPE((PyObject *) next) != state->sender || next->scheduler != known || !is_ready(next))
                break;
            Py_INCREF((PyObject *) next);
            next->sending = 1;
            senders[count++] = next;
        }
        place += count;
        if (stretch(state, senders, count, frame, &asked))
            return NULL;
    }
    Py_RETURN_NONE;
}

/* The frames of the queue as a new list, and in ``parts``; the queue is empty then. NULL without an exception where they
 * are not to be sent from here, and the queue stays as it is. */
static PyObject *taken_from(PyObject *queue, Py_ssize_t count, struct iovec *parts, size_t *size)
{
    *size = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *frame = PyList_GetItem(queue, k);
        if (frame == NULL || !PyBytes_CheckExact(frame))
            return NULL;
        parts[k].iov_base = PyBytes_AsString(frame);
        parts[k].iov_len = (size_t) PyBytes_Size(frame);
        *size += parts[k].iov_len;
    }
    PyObject *frames = PyList_GetSlice(queue, 0, count);
    if (frames != NULL && PyList_SetSlice(queue, 0, count, NULL)) {
        Py_DECREF(frames);
        return NULL;
    }
    return frames;
}

static PyObject *flush_ready(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *pending, *others;
    Failure failure = {NULL, NULL, NULL};

    if (!PyArg_ParseTuple(args, "O!O!:flush_ready", &PyList_Type, &pending, &PyList_Type, &others))
        return NULL;
    for (Py_ssize_t place = 0; place < PyList_Size(pending);) {
        Sender *senders[STRETCH];
        PyObject *frames[STRETCH];
        ssize_t taken[STRETCH];
        size_t sizes[STRETCH];
        int ends[STRETCH];
        struct iovec parts[FRAMES];
        int count = 0, used = 0;
        for (; place < PyList_Size(pending) && count < STRETCH; place++) {
            PyObject *link = Py_NewRef(PyList_GetItem(pending, place));
            PyObject *way = PyObject_GetAttr(link, state->way);
            Sender *sender = (Sender *) way;
            int ours = way != NULL && Py_TYPE(way) == state->sender;
            if (ours && sender->sending && count > 0) {
                /* It stands here twice. */
                Py_DECREF(way);
                Py_DECREF(link);
                break;
            }
            ours = ours && is_ready(sender) && sender->link == link;
            Py_ssize_t queued = ours ? PyList_Size(sender->queue) : 0;
            if (ours && queued == 0) {
                Py_DECREF(way);
                Py_DECREF(link);
                continue;
            }
            if (ours && used > 0 && queued <= FRAMES && queued > FRAMES - used) {
                Py_DECREF(way);
                Py_DECREF(link);
                break;
            }
            if (ours && queued <= FRAMES
                && (frames[count] = taken_from(sender->queue, queued, parts + used, &sizes[count])) != NULL) {
                sender->sending = 1;
                senders[count] = sender;
                used += (int) queued;
                ends[count++] = used;
                Py_DECREF(link); /* the sender refers to it */
                continue;
            }
            PyErr_Clear();
            Py_XDECREF(way);
            int failed = PyList_Append(others, link);
            Py_DECREF(link);
            if (failed && failure.type == NULL)
                PyErr_Fetch(&failure.type, &failure.value, &failure.traceback);
        }
        Py_BEGIN_ALLOW_THREADS
        for (int k = 0; k < count; k++) {
            struct msghdr message;
            int begin = k ? ends[k - 1] : 0;
            memset(&message, 0, sizeof message);
            message.msg_iov = parts + begin;
            message.msg_iovlen = (size_t) (ends[k] - begin);
            taken[k] = sendmsg(senders[k]->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        Py_END_ALLOW_THREADS
        for (int k = 0; k < count; k++)
            senders[k]->sending = 0;
        for (int k = 0; k < count; k++) {
            if (taken[k] < 0 || (size_t) taken[k] != sizes[k])
                sent_in_part(state, senders[k], frames[k], taken[k], &failure);
            Py_DECREF(frames[k]);
            Py_DECREF((PyObject *) senders[k]);
        }
    }
    if (outcome(&failure))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *sender_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Sender *sender = (Sender *) self;
    State *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *frame;
    int asked = 0, failed;

    if (state == NULL || !PyArg_ParseTuple(args, "S:Sender", &frame))
        return NULL;
    if (sender->link == NULL)
        Py_RETURN_NONE;
    int idle = is_idle(state, sender->scheduler);
    if (idle < 0)
        return NULL;
    Py_INCREF(self);
    if (idle && is_ready(sender)) {
        sender->sending = 1;
        failed = stretch(state, &sender, 1, frame, &asked);
    } else {
        failed = push(state, sender, frame, &asked);
        Py_DECREF(self);
    }
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *sender_close(PyObject *self, PyObject *unused)
{
    sender_clear((Sender *) self);
    Py_RETURN_NONE;
}

static PyMethodDef sender_methods[] = {
    {"close", sender_close, METH_NOARGS, "The connection is over: forget its descriptor, and all that is referred to."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef sender_members[] = {
    {"clear", T_BOOL, offsetof(Sender, clear), 0, "See write_queue.Way."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sender_slots[] = {
    {Py_tp_new, sender_new},
    {Py_tp_dealloc, sender_dealloc},
    {Py_tp_traverse, sender_traverse},
    {Py_tp_clear, sender_clear},
    {Py_tp_call, sender_call},
    {Py_tp_methods, sender_methods},
    {Py_tp_members, sender_members},
    {0, NULL},
};

static PyType_Spec sender_spec = {
    "orosync.transport._native.Sender", sizeof(Sender), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, sender_slots,
};

/* -- one message out of what arrived ------------------------------------------------------------------------------ */

enum { TEXT = 0x81, BINARY = 0x82 };

static int is_ascii(const char *data, Py_ssize_t size)
{
    uint64_t word, all = 0;
    Py_ssize_t place = 0;
    for (; place + 8 <= size; place += 8) {
        memcpy(&word, data + place, 8);
        all |= word;
    }
    for (; place < size; place++)
        all |= (uint64_t) (unsigned char) data[place];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* The payload, unmasked (RFC 6455 section 5.3); NULL without an exception for text that is not UTF-8 (section 8.1). */
static PyObject *unmasked(const unsigned char *data, Py_ssize_t size, const unsigned char *mask, int text)
{
    uint64_t word, key;
    Py_ssize_t place = 0;
    PyObject *payload = PyBytes_FromStringAndSize(NULL, size);
    if (payload == NULL)
        return NULL;
    char *to = PyBytes_AsString(payload);
    memcpy(&key, mask, 4);
    memcpy((char *) &key + 4, mask, 4);
    for (; place + 8 <= size; place += 8) {
        memcpy(&word, data + place, 8);
        word ^= key;
        memcpy(to + place, &word, 8);
    }
    for (; place < size; place++)
        to[place] = (char) (data[place] ^ mask[place & 3]);
    if (text && !is_ascii(to, size)) {
        PyObject *decoded = PyUnicode_DecodeUTF8(to, size, "strict");
        if (decoded == NULL) {
            Py_DECREF(payload);
            if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
                PyErr_Clear();
            return NULL;
        }
        Py_DECREF(decoded);
    }
    return payload;
}

/* Whether a whole data frame as all clients send them begins at ``position``, with a payload of at most ``limit``
 * bytes; then where its payload begins and ends. */
static int whole(const unsigned char *data, Py_ssize_t size, Py_ssize_t position, Py_ssize_t limit,
                 Py_ssize_t *begin, Py_ssize_t *end)
{
    if (position < 0 || size - position < 6)
        return 0;
    const unsigned char *frame = data + position;
    Py_ssize_t left = size - position, head = 6, length = frame[1] - 0x80;
    if ((frame[0] != TEXT && frame[0] != BINARY) || length < 0)
        return 0;
    if (length == 126) {
        head = 8;
        length = frame[2] << 8 | frame[3];
        if (length < 126)
            return 0;
    } else if (length == 127) {
        uint64_t number = 0;
        head = 14;
        if (left < head)
            return 0;
        for (int k = 2; k < 10; k++)
            number = number << 8 | frame[k];
        if (number < 65536 || number > (uint64_t) left)
            return 0;
        length = (Py_ssize_t) number;
    }
    if (left < head || length > limit || length > left - head)
        return 0;
    *begin = position + head;
    *end = *begin + length;
    return 1;
}

static PyObject *data_frame(PyObject *module, PyObject *args)
{
    PyObject *data;
    Py_ssize_t position, limit, begin, end;
    int alone;

    if (!PyArg_ParseTuple(args, "Snnp:data_frame", &data, &position, &limit, &alone))
        return NULL;
    const unsigned char *bytes = (const unsigned char *) PyBytes_AsString(data);
    Py_ssize_t size = PyBytes_Size(data);
    if (!whole(bytes, size, position, limit, &begin, &end) || (alone && end != size))
        Py_RETURN_NONE;
    PyObject *payload = unmasked(bytes + begin, end - begin, bytes + begin - 4, bytes[position] == TEXT);
    if (payload == NULL) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    return Py_BuildValue("Nn", payload, end);
}

/* -- the module --------------------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"send_to_all", send_to_all, METH_VARARGS, "send_to_all(receivers: list, frame) -> None"},
    {"flush_ready", flush_ready, METH_VARARGS, "flush_ready(pending: list, others: list) -> None"},
    {"data_frame", data_frame, METH_VARARGS, "data_frame(data: bytes, position: int, limit: int, alone: bool) -> tuple[bytes, int] | None"},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->sender = (PyTypeObject *) PyType_FromModuleAndSpec(module, &sender_spec, NULL);
    if (state->sender == NULL || PyModule_AddType(module, state->sender))
        return -1;
    return (state->idle = PyUnicode_InternFromString("idle")) == NULL
        || (state->pending = PyUnicode_InternFromString("pending")) == NULL
        || (state->schedule = PyUnicode_InternFromString("schedule")) == NULL
        || (state->push = PyUnicode_InternFromString("push")) == NULL
        || (state->sent_in_part = PyUnicode_InternFromString("sent_in_part")) == NULL
        || (state->way = PyUnicode_InternFromString("way")) == NULL ? -1 : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    if (state != NULL)
        Py_VISIT(state->sender);
    return 0;
}

static int module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (state == NULL)
        return 0;
    Py_CLEAR(state->sender);
    Py_CLEAR(state->idle);
    Py_CLEAR(state->pending);
    Py_CLEAR(state->schedule);
    Py_CLEAR(state->push);
    Py_CLEAR(state->sent_in_part);
    Py_CLEAR(state->way);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", "One frame to many sockets, and one message out of what arrived.", sizeof(State),
    methods, slots, module_traverse, module_clear, module_free,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
