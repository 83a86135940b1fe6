//! What stands around the devices of a drawn host: the distribution, its kernels, what it was
//! told about modules. Configurations are those of the distributions' kernels (Debian's
//! config-6.1.0-18-amd64 and its like), reduced to the options that are looked at.

use passthru_formats::image::Image;

use crate::drawing::Drawing;

/// A distribution: os-release and the tools it is known by.
pub(crate) struct System {
    pub(crate) release: &'static str,
    pub(crate) tools: &'static [&'static str],
}

pub(crate) const DEBIAN: System = System {
    release: "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
    tools: &["usr/sbin/update-grub", "etc/default/grub", "usr/sbin/update-initramfs"],
};

pub(crate) const UBUNTU: System = System {
    release: "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nID=ubuntu\nID_LIKE=debian\n",
    tools: &["usr/sbin/update-grub", "etc/default/grub", "usr/sbin/update-initramfs"],
};

pub(crate) const FEDORA: System = System {
    release: "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=41\nPRETTY_NAME=\"Fedora Linux 41 (Server Edition)\"\n",
    tools: &["usr/sbin/grubby", "usr/bin/dracut"],
};

pub(crate) const ARCH: System = System {
    release: "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\n",
    tools: &["usr/bin/grub-mkconfig", "etc/default/grub", "usr/bin/mkinitcpio"],
};

pub(crate) const GENTOO: System = System {
    release: "NAME=Gentoo\nID=gentoo\nPRETTY_NAME=\"Gentoo/Linux\"\n",
    tools: &["usr/bin/grub-mkconfig", "etc/default/grub"],
};

const INTEL: &str = "Intel(R) Xeon(R) CPU E3-1235L v5 @ 2.00GHz";
const AMD: &str = "AMD Ryzen 9 5950X 16-Core Processor";

/// What distributions build: name and setting.
const OPTIONS: &str = "PCI=y IOMMU_SUPPORT=y INTEL_IOMMU=y AMD_IOMMU=y VIRTIO_IOMMU=y IRQ_REMAP=y KVM=m KVM_INTEL=m \
    KVM_AMD=m VFIO=m VFIO_PCI=m VFIO_IOMMU_TYPE1=m VFIO_VIRQFD=m VFIO_PCI_VGA=y VFIO_PCI_IGD=y VHOST_NET=m TUN=m \
    VIRTIO_PCI=m VIRTIO_BLK=m VIRTIO_NET=m SCSI_VIRTIO=m VIRTIO_BALLOON=m SYSFB_SIMPLEFB=y DRM_SIMPLEDRM=y MODULES=y";

impl Drawing {
    /// An initramfs image with these modules and small files.
    pub(crate) fn image(&mut self, path: &str, modules: &[&str], files: &[(&str, &str)]) {
        let mut image = Image::default();
        image.modules.extend(modules.iter().map(|name| (*name).to_owned()));
        image.files.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).into())));
        self.bytes(path, &image.to_bytes().unwrap());
    }

    /// The distribution, and a processor with its extension for virtual machines in use.
    pub(crate) fn system(&mut self, system: &System, amd: bool) {
        self.file("etc/os-release", system.release);
        for tool in system.tools {
            self.file(tool, "");
        }
        self.maker(amd, true);
        let module = if amd { "kvm_amd" } else { "kvm_intel" };
        self.directory("sys/module/kvm");
        self.file(&format!("sys/module/{module}/parameters/nested"), "1\n");
        self.file(&format!("sys/module/{module}/parameters/{}", if amd { "npt" } else { "ept" }), "Y\n");
        self.file("dev/kvm", "");
        self.file("proc/iomem", "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n");
        self.file("proc/fb", "");
        self.file("proc/modules", "");
    }

    /// `/proc/cpuinfo` of two processors.
    pub(crate) fn maker(&mut self, amd: bool, virtualization: bool) {
        let (vendor, model, flag) =
            if amd { ("AuthenticAMD", AMD, "svm") } else { ("GenuineIntel", INTEL, "vmx") };
        let flag = if virtualization { flag } else { "est" };
        let one = |n: u32| {
            format!(
                "processor\t: {n}\nvendor_id\t: {vendor}\nmodel name\t: {model}\nflags\t\t: fpu vme de pse {flag} nx lm\n\
                 address sizes\t: 39 bits physical, 48 bits virtual\n\n"
            )
        };
        self.file("proc/cpuinfo", &(one(0) + &one(1)));
    }

    /// A kernel with VFIO as modules, without these options and these modules.
    pub(crate) fn kernel(&mut self, release: &str, without: &[&str], missing: &[&str]) {
        let mut config = format!("#\n# Linux/x86 {release} Kernel Configuration\n#\n");
        for option in OPTIONS.split(' ').filter(|option| !option.is_empty()) {
            let (name, _) = option.split_once('=').unwrap_or_default();
            if without.contains(&name) {
                config.push_str(&format!("# CONFIG_{name} is not set\n"));
            } else {
                config.push_str(&format!("CONFIG_{option}\n"));
            }
        }
        self.file(&format!("boot/config-{release}"), &config);
        let modules = [
            "drivers/vfio/vfio",
            "drivers/vfio/vfio_iommu_type1",
            "drivers/vfio/pci/vfio-pci",
            "drivers/vfio/pci/vfio-pci-core",
            "arch/x86/kvm/kvm",
            "arch/x86/kvm/kvm-intel",
            "arch/x86/kvm/kvm-amd",
            "drivers/gpu/drm/nouveau/nouveau",
            "drivers/nvme/host/nvme",
            "drivers/net/ethernet/mellanox/mlx4/mlx4_core",
        ];
        let there =
            modules.iter().filter(|path| !missing.iter().any(|name| path.ends_with(&format!("/{name}"))));
        let dep: String = there.map(|path| format!("kernel/{path}.ko: kernel/lib/needed.ko\n")).collect();
        self.file(&format!("lib/modules/{release}/modules.dep"), &dep);
        let builtin = "kernel/drivers/ata/ahci.ko\nkernel/drivers/usb/host/xhci-pci.ko\n";
        self.file(&format!("lib/modules/{release}/modules.builtin"), builtin);
    }
}
