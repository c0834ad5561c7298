using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The system's file layer, but for two things that concern the write-ahead log. Writes to it are gathered and handed
/// over together: SQLite writes a log in two small pieces a page, each piece is a system call, and a batch has
/// hundreds. And on Linux it is synced with <c>fdatasync</c>, as SQLite itself does where it was built to: the data and
/// the size are on the disk, and a changed time of modification does not cost a commit of the file system's journal; only the first
/// sync is SQLite's own.
/// Nothing is promised earlier or later than before: what was gathered is written before the sync that makes a commit,
/// before any read of the log, and before the log is measured, cut or closed; and SQLite shows a commit to readers only
/// after its sync. Only the two connections that are open for writing use it: the lane's and the one that copies the log.
/// </summary>
internal static unsafe partial class WalBufferVfs
{
    /// <summary>The name under which SQLite knows it.</summary>
    public const string Name = "jumun-wal-buffer";

    // SQLite's own file layer takes less than 128 KiB at a time.
    private const int BufferBytes = 120 * 1024;
    private const int OpenWal = 0x0008_0000;
    private const int FilePointer = 7;
    private const int SyncNormal = 2;
    private const int Ok = 0;
    private const int IoErrorSync = 10 | (4 << 8);
    private const int NoSense = 22;
    private const int ReadWriteCloseOnExec = 0x2 | 0x80000;

    private static readonly IoMethods* Methods = MakeMethods();
    private static readonly Vfs* Below = VfsFind(0);

    /// <summary>Makes the layer known to SQLite. To be called once, before the first connection that names it.</summary>
    public static void Register()
    {
        var vfs = (Vfs*)NativeMemory.AllocZeroed((nuint)sizeof(Vfs));
        *vfs = *Below;
        vfs->Next = null;
        vfs->Name = (byte*)Marshal.StringToCoTaskMemUTF8(Name);
        vfs->FileBytes = Below->FileBytes + sizeof(WalFile);
        vfs->Open = &Open;
        if (VfsRegister(vfs, makeDefault: 0) != Ok)
        {
            throw new InvalidOperationException("SQLite refused a file layer.");
        }
    }

    /// <summary>Has what was copied into the file of a connection on the disk, as a checkpoint of the whole log has.</summary>
    /// <returns>SQLite's result code.</returns>
    public static int SyncFile(nint connection)
    {
        WalFile* file = null;
        int code = ControlFile(connection, null, FilePointer, &file);
        return code == Ok ? file->Methods->Sync(file, SyncNormal) : code;
    }

    /// <summary>Has the names in a folder on the disk, where a program has to ask for that.</summary>
    /// <exception cref="IOException">They cannot be brought there.</exception>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        nint name = Marshal.StringToCoTaskMemUTF8(folder);
        int handle = OpenFile((byte*)name, 0);
        Marshal.FreeCoTaskMem(name);

        // A file system that knows no such sync says that the call makes no sense.
        bool isSynced = handle >= 0 && (SyncAll(handle) == 0 || Marshal.GetLastPInvokeError() == NoSense);
        if (handle >= 0)
        {
            CloseFile(handle);
        }

        if (!isSynced)
        {
            throw new IOException($"{folder} cannot be synced.");
        }
    }

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find")]
    private static partial Vfs* VfsFind(nint name);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register")]
    private static partial int VfsRegister(Vfs* vfs, int makeDefault);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_file_control")]
    private static partial int ControlFile(nint connection, byte* database, int operation, void* argument);

    [LibraryImport("libc", EntryPoint = "open")]
    private static partial int OpenFile(byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseFile(int handle);

    [LibraryImport("libc", EntryPoint = "fdatasync")]
    private static partial int SyncData(int handle);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncAll(int handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(Vfs* vfs, byte* name, WalFile* file, int flags, int* outFlags)
    {
        if ((flags & OpenWal) == 0)
        {
            return Below->Open(Below, name, file, flags, outFlags);
        }

        file->Methods = null;
        int code = Below->Open(Below, name, Real(file), flags, outFlags);
        if (code == Ok)
        {
            file->Buffer = (byte*)NativeMemory.Alloc(BufferBytes);
            file->Offset = 0;
            file->Length = 0;

            // A handle of our own to sync by: SQLite keeps no lock on its log that closing this could drop.
            file->Handle = OperatingSystem.IsLinux() ? OpenFile(name, ReadWriteCloseOnExec) : -1;
            file->WasSynced = 0;
            file->Methods = Methods;
        }

        return code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(WalFile* file, byte* bytes, int length, long offset)
    {
        bool continues = file->Length > 0 && offset == file->Offset + file->Length;
        if (!continues || file->Length + length > BufferBytes)
        {
            int code = Flush(file);
            if (code != Ok)
            {
                return code;
            }

            if (length > BufferBytes)
            {
                return Real(file)->Methods->Write(Real(file), bytes, length, offset);
            }

            file->Offset = offset;
        }

        NativeMemory.Copy(bytes, file->Buffer + file->Length, (nuint)length);
        file->Length += length;
        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Read(WalFile* file, byte* bytes, int length, long offset)
    {
        int code = Flush(file);
        return code == Ok ? Real(file)->Methods->Read(Real(file), bytes, length, offset) : code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(WalFile* file, int flags)
    {
        int code = Flush(file);
        if (code != Ok)
        {
            return code;
        }

        if (file->Handle >= 0 && file->WasSynced != 0)
        {
            return SyncData(file->Handle) == 0 ? Ok : IoErrorSync;
        }

        // A log that is new needs its name on the disk as well: SQLite's own first sync syncs the folder, too.
        code = Real(file)->Methods->Sync(Real(file), flags);
        file->WasSynced = code == Ok ? 1 : 0;
        return code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(WalFile* file, long size)
    {
        int code = Flush(file);
        return code == Ok ? Real(file)->Methods->Truncate(Real(file), size) : code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FileSize(WalFile* file, long* size)
    {
        int code = Flush(file);
        return code == Ok ? Real(file)->Methods->FileSize(Real(file), size) : code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(WalFile* file)
    {
        // What was never synced was never promised; it is written all the same.
        Flush(file);
        NativeMemory.Free(file->Buffer);
        file->Buffer = null;
        if (file->Handle >= 0)
        {
            CloseFile(file->Handle);
        }

        return Real(file)->Methods->Close(Real(file));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Lock(WalFile* file, int level) => Real(file)->Methods->Lock(Real(file), level);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Unlock(WalFile* file, int level) => Real(file)->Methods->Unlock(Real(file), level);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int CheckReservedLock(WalFile* file, int* result) => Real(file)->Methods->CheckReservedLock(Real(file), result);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FileControl(WalFile* file, int operation, void* argument) =>
        Real(file)->Methods->FileControl(Real(file), operation, argument);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SectorSize(WalFile* file) => Real(file)->Methods->SectorSize(Real(file));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int DeviceCharacteristics(WalFile* file) => Real(file)->Methods->DeviceCharacteristics(Real(file));

    /// <summary>Writes what was gathered. When that fails it is dropped, as a failed write is: the commit fails with it.</summary>
    private static int Flush(WalFile* file)
    {
        if (file->Length == 0)
        {
            return Ok;
        }

        int code = Real(file)->Methods->Write(Real(file), file->Buffer, file->Length, file->Offset);
        file->Length = 0;
        return code;
    }

    /// <summary>The system's file behind ours: it follows it in the memory that SQLite gave.</summary>
    private static WalFile* Real(WalFile* file) => file + 1;

    private static IoMethods* MakeMethods()
    {
        var methods = (IoMethods*)NativeMemory.AllocZeroed((nuint)sizeof(IoMethods));
        methods->Version = 1;
        methods->Close = &Close;
        methods->Read = &Read;
        methods->Write = &Write;
        methods->Truncate = &Truncate;
        methods->Sync = &Sync;
        methods->FileSize = &FileSize;
        methods->Lock = &Lock;
        methods->Unlock = &Unlock;
        methods->CheckReservedLock = &CheckReservedLock;
        methods->FileControl = &FileControl;
        methods->SectorSize = &SectorSize;
        methods->DeviceCharacteristics = &DeviceCharacteristics;
        return methods;
    }

    /// <summary>sqlite3_file, and what we keep beside it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct WalFile
    {
        public IoMethods* Methods;
        public byte* Buffer;
        public long Offset;
        public int Length;
        public int Handle;
        public int WasSynced;
    }

    /// <summary>sqlite3_io_methods, version 1.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct IoMethods
    {
        public int Version;
        public delegate* unmanaged[Cdecl]<WalFile*, int> Close;
        public delegate* unmanaged[Cdecl]<WalFile*, byte*, int, long, int> Read;
        public delegate* unmanaged[Cdecl]<WalFile*, byte*, int, long, int> Write;
        public delegate* unmanaged[Cdecl]<WalFile*, long, int> Truncate;
        public delegate* unmanaged[Cdecl]<WalFile*, int, int> Sync;
        public delegate* unmanaged[Cdecl]<WalFile*, long*, int> FileSize;
        public delegate* unmanaged[Cdecl]<WalFile*, int, int> Lock;
        public delegate* unmanaged[Cdecl]<WalFile*, int, int> Unlock;
        public delegate* unmanaged[Cdecl]<WalFile*, int*, int> CheckReservedLock;
        public delegate* unmanaged[Cdecl]<WalFile*, int, void*, int> FileControl;
        public delegate* unmanaged[Cdecl]<WalFile*, int> SectorSize;
        public delegate* unmanaged[Cdecl]<WalFile*, int> DeviceCharacteristics;
    }

    /// <summary>sqlite3_vfs, version 3. All but the open function is the system's own.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Vfs
    {
        public int Version;
        public int FileBytes;
        public int PathLength;
        public Vfs* Next;
        public byte* Name;
        public void* ApplicationData;
        public delegate* unmanaged[Cdecl]<Vfs*, byte*, WalFile*, int, int*, int> Open;
        public void* Delete;
        public void* Access;
        public void* FullPathname;
        public void* DlOpen;
        public void* DlError;
        public void* DlSym;
        public void* DlClose;
        public void* Randomness;
        public void* Sleep;
        public void* CurrentTime;
        public void* GetLastError;
        public void* CurrentTimeInt64;
        public void* SetSystemCall;
        public void* GetSystemCall;
        public void* NextSystemCall;
    }
}
