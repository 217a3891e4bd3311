/* C++: COMDAT groups, virtual tables, static locals, an exception table. */
extern "C" int host_call(int);
struct Shape {
	virtual int area() { return 1; }
	virtual ~Shape() {}
};
struct Square : Shape {
	int side = 2;
	int area() override { return side * side; }
};
template <typename T> T largest(T a, T b) { static int calls; calls++; return a > b ? a : b; }
inline int &counter() { static int count = 7; return count; }
void operator delete(void *, unsigned long) noexcept { host_call(9); }
int shapes(int x)
{
	Square square;
	Shape *shape = &square;
	try {
		x = host_call(x);
	} catch (...) {
		counter()++;
		throw;
	}
	return shape->area() + largest(x, 3) + (int)largest(2.5, (double)x) + counter();
}
